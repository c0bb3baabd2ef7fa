"""The programs that Wafer is measured beside: gpgsm through one long-lived server, OpenSSL through processes."""

import array
import os
import shutil
import socket
import subprocess
import time

PASSPHRASE = "pw"


class Gpgsm:
    """A GnuPG home with one key, an agent that has its passphrase, and one `gpgsm --server`: what GPGME programs use.

    The transport is libassuan's: a socketpair, descriptors by SCM_RIGHTS, then `INPUT FD`.
    """

    def __init__(self, world, person):
        # Socket paths are short: the home is not below the world's folder.
        self.home = f"/tmp/wafer-bench-gnupg-{os.getpid()}"
        shutil.rmtree(self.home, ignore_errors=True)
        os.mkdir(self.home, 0o700)
        self.env = dict(os.environ, GNUPGHOME=self.home)
        self.link = self.server = None
        self._settings(world)
        self._import(world, person)
        self._start()

    def sign_rate(self, message, seconds):
        """Signs `message` (a path) again and again; rate and quantiles like the bench driver's."""
        latencies, out = [], f"{self.home}/out"
        end = time.perf_counter() + seconds
        begin = time.perf_counter()
        while time.perf_counter() < end:
            start = time.perf_counter()
            self._command("RESET")
            self._command(f"SIGNER {self.fingerprint}")
            self._descriptor("INPUT", message, os.O_RDONLY)
            self._descriptor("OUTPUT", out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            self._command("SIGN --detached")
            latencies.append(time.perf_counter() - start)
        elapsed = time.perf_counter() - begin
        assert os.path.getsize(out) > 100, "gpgsm signed nothing"
        latencies.sort()
        return {"count": len(latencies), "rate": len(latencies) / elapsed,
                "p50_us": int(latencies[len(latencies) // 2] * 1e6),
                "p99_us": int(latencies[int((len(latencies) - 1) * 0.99)] * 1e6)}

    def peak_kib(self):
        """Peak resident memory of the server and its agent."""
        agent = subprocess.run(["gpg-connect-agent", "getinfo pid", "/bye"], env=self.env, capture_output=True,
                               check=True).stdout.split()[1]
        return peak_kib(self.server.pid) + peak_kib(int(agent))

    def close(self):
        if self.server:
            self.link.sendall(b"BYE\n")
            self.server.wait(5)
        subprocess.run(["gpgconf", "--kill", "all"], env=self.env, check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    def _settings(self, world):
        fingerprint = openssl("x509", "-in", world.root, "-noout", "-fingerprint", "-sha1").split("=")[1].strip()
        with open(f"{self.home}/trustlist.txt", "w", encoding="ascii") as trust:
            trust.write(f"{fingerprint} S relax\n")
        with open(f"{self.home}/gpgsm.conf", "w", encoding="ascii") as conf:
            conf.write("disable-crl-checks\ndisable-policy-checks\ndisable-dirmngr\nno-secmem-warning\n")
        with open(f"{self.home}/gpg-agent.conf", "w", encoding="ascii") as conf:
            # The cheapest passphrase hashing there is: with the default one it makes 1 to 2 signatures a second.
            conf.write("allow-loopback-pinentry\nmax-cache-ttl 86400\ndefault-cache-ttl 86400\n"
                       "disable-scdaemon\ns2k-count 65536\n")

    def _import(self, world, person):
        box = f"{self.home}/key.p12"
        self._gpgsm("--import", world.root)
        # One file in ten, by its salt, gpgsm 2.2 cannot decrypt.
        for last in (False,) * 7 + (True,):
            openssl("pkcs12", "-export", "-legacy", "-inkey", person.key, "-in", person.certificate, "-name", "bench",
                    "-passout", f"pass:{PASSPHRASE}", "-out", box)
            try:
                self._gpgsm("--import", box)
                break
            except SystemExit:
                if last:
                    raise
        self._gpgsm("-u", person.address, "--detach-sign", "-o", f"{self.home}/warm", person.certificate)
        sha1 = openssl("x509", "-in", person.certificate, "-noout", "-fingerprint", "-sha1")
        self.fingerprint = sha1.split("=")[1].strip().replace(":", "")

    def _gpgsm(self, *arguments):
        command = ["gpgsm", "--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase-fd", "0", *arguments]
        done = subprocess.run(command, env=self.env, input=f"{PASSPHRASE}\n".encode(), capture_output=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"gpgsm {arguments[0]}: {done.stderr.decode()}")

    def _start(self):
        self.link, theirs = socket.socketpair()
        theirs.set_inheritable(True)
        env = dict(self.env, _assuan_connection_fd=str(theirs.fileno()), _assuan_pipe_connect_pid=str(os.getpid()))
        self.server = subprocess.Popen(
            ["gpgsm", "--server", "--batch"], env=env, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        theirs.close()
        self.reader = self.link.makefile("rb")
        self._reply()

    def _command(self, line):
        self.link.sendall(line.encode() + b"\n")
        self._reply()

    def _reply(self):
        for line in self.reader:
            if line.startswith(b"OK"):
                return
            if line.startswith(b"ERR"):
                raise SystemExit(f"gpgsm: {line.decode().strip()}")
            if line.startswith(b"INQUIRE"):
                self.link.sendall(b"END\n")
        raise SystemExit("gpgsm left")

    def _descriptor(self, kind, path, mode):
        descriptor = os.open(path, mode, 0o600)
        self.link.sendmsg([b"# a descriptor\n"],
                          [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))])
        os.close(descriptor)
        self._command(f"{kind} FD")


class Openssl:
    """`openssl cms` with the same key: in the token through the PKCS#11 engine, else in a file (and it says so)."""

    def __init__(self, world, person, token, pin, module):
        self.world, self.person = world, person
        self.env = dict(world.env, PKCS11_MODULE_PATH=module)
        uri = f"pkcs11:token={token.replace(' ', '%20')};object={person.name.replace(' ', '%20')};type=private;pin-value={pin}"
        self.key = ["-engine", "pkcs11", "-keyform", "engine", "-inkey", uri]
        probe = subprocess.run(["openssl", "engine", "pkcs11"], env=self.env, capture_output=True, check=False)
        self.where = "token"
        if probe.returncode != 0:
            self.key, self.where = ["-inkey", person.key], "key in a file: there is no PKCS#11 engine here"

    def command(self, operation, source, target):
        """The fastest way that this openssl has for the operation, in S/MIME form (as mail travels)."""
        cms = ["openssl", "cms", "-in", source, "-out", target]
        certificate = self.person.certificate
        if operation == "sign":
            return cms + ["-sign", *self.key, "-signer", certificate, "-md", "sha256", "-binary", "-stream",
                          "-outform", "SMIME"]
        if operation == "verify":
            return cms + ["-verify", "-inform", "SMIME", "-CAfile", self.world.root, "-purpose", "smimesign"]
        if operation.startswith("encrypt"):
            cipher = {"gcm": "-aes-256-gcm", "cbc": "-aes-256-cbc"}[operation.split("-")[1]]
            return cms + ["-encrypt", cipher, "-binary", "-stream", "-outform", "SMIME", certificate]
        return cms + ["-decrypt", *self.key, "-recip", certificate, "-inform", "SMIME"]


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], capture_output=True, check=True, text=True).stdout


def peak_kib(pid):
    """Peak resident memory since the start of the process, or since the mark was last reset."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
