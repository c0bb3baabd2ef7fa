"""A throw-away world for the demo, the bench and the story under systemd: a CA, people with keys in a SoftHSM token,
a session bus that activates waferd, and a scripted person who reads a real PIN dialog in a pty and answers it.

Everything lies in one folder and ends with it. Python's standard library only.
"""

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time

PIN = "123456"
SO_PIN = "12345678"
TOKEN = "Demo card"
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
           "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so")

EXTENSIONS = """
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[person]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,{usage}
extendedKeyUsage = emailProtection
subjectAltName = email:{address}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def module():
    return next(path for path in MODULES if os.path.exists(path))


def run(*command, **options):
    """Runs a command; its output is the answer. A failure shows what the command said."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **options)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace")
        raise SystemExit(f"failed ({done.returncode}): {' '.join(map(str, command))}\n{said}")
    return done.stdout


class Person:
    """Somebody with a certificate; the private key is in the token and, for checks by others, in a file."""

    def __init__(self, folder, name, address, kind):
        self.name, self.address, self.kind = name, address, kind
        self.key, self.certificate = f"{folder}/{address}.key", f"{folder}/{address}.pem"


class World:
    """The folder with the CA, the token and waferd's settings."""

    def __init__(self, folder):
        self.folder = folder
        self.pki, self.tokens, self.home = f"{folder}/pki", f"{folder}/tokens", f"{folder}/home"
        self.root = f"{self.pki}/root.pem"
        self.people = []
        for path in (self.pki, self.tokens, self.home, f"{folder}/trust", f"{folder}/recipients", f"{folder}/run"):
            os.makedirs(path, mode=0o700, exist_ok=True)
        self.softhsm_conf = f"{self.tokens}/softhsm2.conf"
        with open(self.softhsm_conf, "w", encoding="ascii") as conf:
            conf.write(f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.env = dict(os.environ, SOFTHSM2_CONF=self.softhsm_conf)

    def make_ca(self):
        self._extensions("none@example.test", "digitalSignature")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256",
            "-days", "3650", "-subj", "/O=Example/CN=Example Root", "-keyout", f"{self.pki}/root.key", "-out",
            self.root, "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        shutil.copy(self.root, f"{self.folder}/trust/root.pem")

    def make_token(self):
        run("softhsm2-util", "--init-token", "--free", "--label", TOKEN, "--pin", PIN, "--so-pin", SO_PIN, env=self.env)

    def add_person(self, name, address, kind):
        """`kind` is rsa or ec. The certificate goes to the token and to waferd's recipients' folder."""
        person = Person(self.pki, name, address, kind)
        number = f"{len(self.people) + 1:02x}"
        options = (["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if kind == "rsa" else
                   ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:named_curve"])
        run("openssl", "genpkey", *options, "-out", person.key)
        self._extensions(address, "keyEncipherment" if kind == "rsa" else "keyAgreement")
        request = f"{self.pki}/{address}.csr"
        run("openssl", "req", "-new", "-key", person.key, "-subj", f"/O=Example/CN={name}", "-out", request)
        run("openssl", "x509", "-req", "-in", request, "-CA", self.root, "-CAkey", f"{self.pki}/root.key",
            "-CAcreateserial", "-days", "1000", "-sha256", "-extfile", f"{self.pki}/extensions", "-extensions",
            "person", "-out", person.certificate)
        usages = ["--usage-sign", "--usage-decrypt" if kind == "rsa" else "--usage-derive"]
        run("openssl", "x509", "-in", person.certificate, "-outform", "DER", "-out", f"{self.pki}/{address}.der")
        run("openssl", "pkey", "-in", person.key, "-outform", "DER", "-out", f"{self.pki}/{address}.key.der")
        self.pkcs11("--write-object", f"{self.pki}/{address}.key.der", "--type", "privkey", "--sensitive", *usages,
                    "--id", number, "--label", name)
        self.pkcs11("--write-object", f"{self.pki}/{address}.der", "--type", "cert", "--id", number, "--label", name)
        shutil.copy(person.certificate, f"{self.folder}/recipients/{address}.pem")
        self.people.append(person)
        return person

    def pkcs11(self, *options):
        run("pkcs11-tool", "--module", module(), "--token-label", TOKEN, "--login", "--pin", PIN, *options, env=self.env)

    def write_settings(self, pinentry, keeper=None, extra=""):
        """waferd.toml; the answer is its path. `extra` goes before the tables."""
        path = f"{self.folder}/waferd.toml"
        keeper = f'keeper = "{keeper}"\n' if keeper else ""
        with open(path, "w", encoding="utf-8") as settings:
            settings.write(f"""{extra}{keeper}pinentry = "{pinentry}"
trust-folder = "{self.folder}/trust"
recipients-folder = "{self.folder}/recipients"

[consent]
programs = "allow" # nobody sits here to be asked
changes = "allow"

[[module]]
name = "SoftHSM"
path = "{module()}"
state = ["{self.tokens}"]
environment = {{ SOFTHSM2_CONF = "{self.softhsm_conf}" }}
""")
        return path

    def _extensions(self, address, usage):
        with open(f"{self.pki}/extensions", "w", encoding="ascii") as extensions:
            extensions.write(EXTENSIONS.format(address=address, usage=usage))


class Bus:
    """A session bus of our own that starts waferd when its name is called."""

    def __init__(self, world, waferd, settings, environment=()):
        services = f"{world.folder}/services"
        os.makedirs(services, exist_ok=True)
        with open(f"{services}/org.waferd.Wafer1.service", "w", encoding="ascii") as service:
            service.write(f"[D-BUS Service]\nName=org.waferd.Wafer1\nExec={waferd} --config {settings}\n")
        config = f"{world.folder}/bus.conf"
        socket = f"{world.folder}/run/session"
        with open(config, "w", encoding="ascii") as conf:
            conf.write(f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
<servicedir>{services}</servicedir>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>""")
        self.log = f"{world.folder}/bus.log"
        self.address = f"unix:path={socket}"
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "RUST_LOG", "RUST_BACKTRACE") if name in os.environ}
        self.env = kept | {"HOME": world.home, "XDG_RUNTIME_DIR": f"{world.folder}/run",
                           "DBUS_SESSION_BUS_ADDRESS": self.address} | dict(environment)
        with open(self.log, "wb") as log:
            self.daemon = subprocess.Popen(
                ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--print-address=1"],
                stdout=subprocess.PIPE, stderr=log, env=self.env)
        self.daemon.stdout.readline()  # the address: the bus is up

    def waferd_pid(self):
        """The process that owns the name now; 0 if none does."""
        said = subprocess.run(
            ["dbus-send", "--session", "--print-reply=literal", "--dest=org.freedesktop.DBus", "/",
             "org.freedesktop.DBus.GetConnectionUnixProcessID", "string:org.waferd.Wafer1"],
            env=self.env, capture_output=True, check=False).stdout.split()
        return int(said[-1]) if said else 0

    def close(self):
        pid = self.waferd_pid()
        if pid:
            os.kill(pid, 15)
        self.daemon.terminate()
        self.daemon.wait()


class Screen:
    """What a terminal shows: enough of ECMA-48 for ncurses with TERM=linux."""

    SEQUENCE = re.compile(r"\x1b\[([?>0-9;]*)([@-~])|\x1b[()][0-9A-Z]|\x1b[=>78cDEHMZ]|\x1b\][^\x07]*\x07")
    # The line-drawing set, as plain ASCII: frames come out as + - |.
    LINES = dict(zip("lkmjtuvwnqx", "+" * 9 + "-|"))

    def __init__(self, rows=24, columns=80):
        self.rows, self.columns = rows, columns
        self.cells = [[" "] * columns for _ in range(rows)]
        self.row = self.column = 0
        self.drawing, self.rest = False, ""

    def feed(self, data):
        text = self.rest + data
        self.rest, at = "", 0
        while at < len(text):
            if text[at] == "\x1b":
                found = self.SEQUENCE.match(text, at)
                if not found:
                    if len(text) - at < 32:  # cut in the middle
                        self.rest = text[at:]
                        return
                    at += 1
                    continue
                self._control(found)
                at = found.end()
            else:
                self._character(text[at])
                at += 1

    def lines(self):
        return ["".join(row).rstrip() for row in self.cells]

    def text(self):
        return "\n".join(line for line in self.lines() if line)

    def _character(self, char):
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.row = min(self.row + 1, self.rows - 1)
        elif char == "\b":
            self.column = max(self.column - 1, 0)
        elif char in "\x0e\x0f":
            self.drawing = char == "\x0e"
        elif char >= " ":
            shown = self.LINES.get(char, char) if self.drawing else UNICODE_LINES.get(char, char)
            if self.column < self.columns:
                self.cells[self.row][self.column] = shown
            self.column += 1

    def _control(self, found):
        sequence, final = found.group(0), found.group(2)
        if sequence.startswith("\x1b("):
            self.drawing = sequence.endswith("0")
        if not final or found.group(1).startswith(("?", ">")):
            return
        numbers = [int(number or 0) for number in found.group(1).split(";")]
        count = max(numbers[0], 1)
        if final in "Hf":
            self.row = min(count, self.rows) - 1
            self.column = min(max(numbers[1] if len(numbers) > 1 else 1, 1), self.columns) - 1
        elif final in "ABCDGd":
            self._move(final, count)
        elif final in "JKX":
            self._erase(final, numbers[0], count)

    def _move(self, final, count):
        if final in "AB":
            self.row = min(max(self.row + (count if final == "B" else -count), 0), self.rows - 1)
        elif final in "CD":
            self.column = min(max(self.column + (count if final == "C" else -count), 0), self.columns - 1)
        elif final == "G":
            self.column = count - 1
        else:
            self.row = count - 1

    def _erase(self, final, mode, count):
        here = self.row * self.columns + self.column
        end_of_line = (self.row + 1) * self.columns
        if final == "X":
            span = range(here, min(here + count, end_of_line))
        elif final == "K":
            span = range(here if mode == 0 else self.row * self.columns, here + 1 if mode == 1 else end_of_line)
        else:
            span = range(here if mode == 0 else 0, here + 1 if mode == 1 else self.rows * self.columns)
        for cell in span:
            self.cells[cell // self.columns][cell % self.columns] = " "


UNICODE_LINES = dict(zip("┌┐└┘├┤┴┬┼─│", "+" * 9 + "-|"))


class Terminal:
    """A pty with a person in front of it: runs commands on it, reads the PIN dialog, types the PIN."""

    def __init__(self, pin=PIN, patience=90):
        self.master, slave = pty.openpty()
        self.tty = os.ttyname(slave)
        self.slave = slave  # kept open: the pty lives between commands
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.pin, self.patience = pin, patience
        self.dialogs = []  # the text of each dialog that was answered

    def run(self, command, env, cwd=None):
        """Runs `command` with this terminal as its own. Answers exit status and what stood on the screen."""
        start = subprocess.Popen(command, stdin=self.slave, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd,
                                 env=dict(env, TERM="linux", GPG_TTY=self.tty), start_new_session=True,
                                 preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        with start:
            said = self._watch(start)
        return start.returncode, said.decode(errors="replace")

    def answer(self, process=None):
        """Waits for one dialog, while `process` runs, and answers it. False if the process ended without one."""
        before = len(self.dialogs)
        self._watch(process, until=lambda: len(self.dialogs) > before)
        return len(self.dialogs) > before

    def close(self):
        os.close(self.slave)
        os.close(self.master)

    def _watch(self, process, until=lambda: False):
        screen, said, answered = Screen(), b"", False
        output = process.stdout.fileno() if process and process.stdout else None
        deadline = time.monotonic() + self.patience
        while not until():
            if process and output is None and process.poll() is not None:
                return said
            sources = [self.master] + ([output] if output is not None else [])
            ready, _, _ = select.select(sources, [], [], 0.2)
            if time.monotonic() > deadline:
                raise SystemExit(f"nobody came to an end within {self.patience} s; on the screen:\n{screen.text()}")
            if output in ready:
                data = os.read(output, 65536)
                said += data
                if not data:
                    return said
            if self.master in ready:
                screen.feed(os.read(self.master, 65536).decode(errors="replace"))
                shown = screen.text()
                asks = is_pin_dialog(shown)
                if asks and not answered:
                    answered = True
                    self.dialogs.append(shown)
                    os.write(self.master, self.pin.encode() + b"\r")
                elif not asks:
                    answered = False
        return said


def is_pin_dialog(shown):
    """pinentry-curses has drawn its whole window: the buttons come last."""
    return "<OK>" in shown and "<Cancel>" in shown
