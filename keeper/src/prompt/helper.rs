//! The unconfined half of the dialogs: starts pinentry, passes back its stdio, ends it.
//!
//! The keeper execs itself as `wafer-keeper prompt-helper` before it confines itself and speaks
//! with it over a SOCK_SEQPACKET pair: `start` with the program and its environment, `stop`.
//! The helper ends with the keeper, and pinentry with the helper.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::io::Interest;

/// The longest packet: program, terminal, a dozen variables.
const PACKET_MAX: usize = 32 * 1024;
/// How long pinentry may take to put the screen in order after SIGTERM.
const GRACE: Duration = Duration::from_millis(300);
/// The only variables pinentry ever sees.
const PASSED_ON: &[&str] = &[
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_TYPE",
    "DBUS_SESSION_BUS_ADDRESS",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "TERM",
    "PATH",
];

/// What to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// pinentry's absolute path.
    pub program: String,
    /// The terminal whose settings are put back afterwards; may be empty.
    pub tty: String,
    /// Its environment (names outside a fixed list are dropped).
    pub environment: Vec<(String, String)>,
}

impl Start {
    fn to_packet(&self) -> Vec<u8> {
        let mut words = vec!["start".to_owned(), self.program.clone(), self.tty.clone()];
        words.extend(self.environment.iter().map(|(name, value)| format!("{name}={value}")));
        words.join("\0").into_bytes()
    }

    fn from_packet(packet: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(packet).ok()?.split('\0');
        if words.next()? != "start" {
            return None;
        }
        let (program, tty) = (words.next()?.to_owned(), words.next()?.to_owned());
        let environment = words
            .filter_map(|word| word.split_once('='))
            .filter(|(name, _)| PASSED_ON.contains(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Some(Self { program, tty, environment })
    }
}

/// Starts the helper; call before confinement and before the runtime.
pub fn spawn() -> std::io::Result<OwnedFd> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("prompt-helper").env_clear().stdin(Stdio::from(theirs)).stdout(Stdio::null());
    // Never waited for: it ends when its socket closes, which is when this process ends.
    drop(command.spawn()?);
    Ok(ours)
}

/// The helper's main: serves its stdin until the keeper is gone.
pub fn serve() -> Result<(), String> {
    crate::confine::close_to_debuggers().map_err(|error| error.to_string())?;
    crate::sys::ignore_background_terminal_stops();
    let socket = std::io::stdin().as_fd().try_clone_to_owned().map_err(|error| error.to_string())?;
    let socket = UnixDatagram::from(socket);
    let mut packet = vec![0; PACKET_MAX];
    let mut shown: Option<Shown> = None;
    loop {
        let length = socket.recv(&mut packet).unwrap_or(0);
        // Whatever comes next, what was shown ends first.
        drop(shown.take());
        if length == 0 {
            return Ok(());
        }
        let sent = match Start::from_packet(&packet[..length]) {
            None => socket.send(b"d").map(drop),
            Some(start) => match Shown::start(&start) {
                Ok((now, stdio)) => {
                    shown = Some(now);
                    send_stdio(&socket, stdio)
                }
                Err(error) => {
                    tracing::warn!(program = start.program, %error, "pinentry does not start");
                    socket.send(b"n").map(drop)
                }
            },
        };
        sent.map_err(|error| error.to_string())?;
    }
}

/// A pinentry that runs. Dropping it ends it and puts the terminal back as it was.
struct Shown {
    child: Child,
    terminal: Option<(OwnedFd, Termios)>,
}

impl Shown {
    fn start(start: &Start) -> std::io::Result<(Self, OwnedFd)> {
        let terminal = open_terminal(&start.tty);
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        let child = Command::new(&start.program)
            .env_clear()
            .envs(start.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::from(theirs.try_clone()?))
            .stdout(Stdio::from(theirs))
            .spawn()?;
        Ok((Self { child, terminal }, ours))
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        // SIGTERM first, for curses to leave its screen; then for good.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
            && kill_process(pid, Signal::TERM).is_ok()
            && !ends_within(pid, GRACE)
        {
            drop(self.child.kill());
        }
        drop(self.child.wait());
        if let Some((terminal, settings)) = &self.terminal
            && let Err(error) = tcsetattr(terminal, OptionalActions::Now, settings)
        {
            tracing::warn!(%error, "the terminal's settings could not be put back");
        }
    }
}

fn ends_within(pid: Pid, time: Duration) -> bool {
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    let timeout = Timespec::try_from(time).ok();
    let mut watched = [PollFd::new(&handle, PollFlags::IN)];
    matches!(poll(&mut watched, timeout.as_ref()), Ok(1))
}

fn open_terminal(tty: &str) -> Option<(OwnedFd, Termios)> {
    if tty.is_empty() {
        return None;
    }
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let terminal = rustix::fs::open(tty, flags, Mode::empty()).ok()?;
    let settings = tcgetattr(&terminal).ok()?;
    Some((terminal, settings))
}

fn send_stdio(socket: &UnixDatagram, stdio: OwnedFd) -> std::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [stdio.as_fd()];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(socket, &[IoSlice::new(b"y")], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// The keeper's end of the helper.
pub struct Helper {
    socket: tokio::net::UnixDatagram,
}

impl Helper {
    /// Takes the socket from [`spawn`]; inside the runtime.
    pub fn new(socket: OwnedFd) -> std::io::Result<Self> {
        let socket = UnixDatagram::from(socket);
        socket.set_nonblocking(true)?;
        Ok(Self { socket: tokio::net::UnixDatagram::from_std(socket)? })
    }

    /// Starts a pinentry; its stdin and stdout in one stream, or `None` if it does not start.
    pub async fn start(&self, start: &Start) -> std::io::Result<Option<OwnedFd>> {
        self.send(&start.to_packet())?;
        loop {
            match self.receive().await? {
                (b'y', stdio) => return Ok(stdio),
                (b'n', _) => return Ok(None),
                // The answer to a stop that nobody waited for.
                _ => {}
            }
        }
    }

    /// Ends pinentry; answers when its terminal is in order again.
    pub async fn stop(&self) -> std::io::Result<()> {
        self.stop_soon();
        while self.receive().await?.0 != b'd' {}
        Ok(())
    }

    /// Ends pinentry without waiting.
    pub fn stop_soon(&self) {
        if let Err(error) = self.send(b"stop") {
            tracing::warn!(%error, "the prompt helper is gone");
        }
    }

    fn send(&self, packet: &[u8]) -> std::io::Result<()> {
        rustix::net::send(&self.socket, packet, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    async fn receive(&self) -> std::io::Result<(u8, Option<OwnedFd>)> {
        self.socket.async_io(Interest::READABLE, || receive_now(&self.socket)).await
    }
}

fn receive_now(socket: impl AsFd) -> std::io::Result<(u8, Option<OwnedFd>)> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let stdio = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok((byte[0], stdio))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn only_harmless_variables_reach_pinentry() {
        let environment = [("DISPLAY", ":0"), ("LD_PRELOAD", "/evil.so"), ("LANG", "de_DE.UTF-8")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let start = Start { program: "/p".to_owned(), tty: String::new(), environment };
        let read = Start::from_packet(&start.to_packet()).unwrap();
        assert_eq!(read.program, "/p");
        let names: Vec<_> = read.environment.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["DISPLAY", "LANG"]);
        assert_eq!(Start::from_packet(b"stop"), None);
    }
}
