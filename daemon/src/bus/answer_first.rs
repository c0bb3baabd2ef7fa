//! A private connection says nothing before it was asked. A bus client takes the first message for the answer to
//! its Hello (sd-bus fails with EIO if it is another), but tokens and identities announce themselves with signals
//! as soon as they are put on a connection. Signals wait here until the first answer went out.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;
use zbus::Message;
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::export::async_trait::async_trait;
use zbus::fdo::ConnectionCredentials;
use zbus::message::Type;

/// Most descriptors that the kernel passes in one message (SCM_MAX_FD).
const DESCRIPTORS_MAX: usize = 253;
/// Most signals that wait for a client that asks nothing; it then gets none of those after.
const HELD_MAX: usize = 1024;

/// A client's stream that answers before it tells.
pub(super) struct AnswerFirst(pub(super) UnixStream);

impl Socket for AnswerFirst {
    type ReadHalf = Asked;
    type WriteHalf = Answers<Told>;

    fn split(self) -> Split<Asked, Answers<Told>> {
        let stream = Arc::new(self.0);
        let told = Told(stream.clone());
        Split::new(Asked(stream), Answers { write: told, held: Some(Vec::new()) })
    }
}

/// What the client sends.
#[derive(Debug)]
pub(super) struct Asked(Arc<UnixStream>);

#[async_trait]
impl ReadHalf for Asked {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        self.0.async_io(Interest::READABLE, || receive(&self.0, buffer)).await
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
    }

    async fn peer_credentials(&mut self) -> io::Result<ConnectionCredentials> {
        credentials(&self.0)
    }
}

/// What the client gets.
#[derive(Debug)]
pub(super) struct Told(Arc<UnixStream>);

#[async_trait]
impl WriteHalf for Told {
    async fn sendmsg(&mut self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.0.async_io(Interest::WRITABLE, || send(&self.0, bytes, descriptors)).await
    }

    async fn close(&mut self) -> io::Result<()> {
        rustix::net::shutdown(&*self.0, rustix::net::Shutdown::Both).map_err(io::Error::from)
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
    }

    async fn peer_credentials(&mut self) -> io::Result<ConnectionCredentials> {
        credentials(&self.0)
    }
}

fn receive(stream: &UnixStream, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut room);
    let got = recvmsg(stream, &mut [IoSliceMut::new(buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let passed = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptors = passed.flatten().collect();
    if got.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::Error::other("descriptors were lost: the process has too many open"));
    }
    Ok((got.bytes, descriptors))
}

fn send(stream: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut room);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors in one message"));
    }
    Ok(sendmsg(stream, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?)
}

fn credentials(stream: &UnixStream) -> io::Result<ConnectionCredentials> {
    Ok(ConnectionCredentials::default().set_unix_user_id(stream.peer_cred()?.uid()))
}

/// Holds signals back until the first answer went out.
#[derive(Debug)]
pub(super) struct Answers<W> {
    write: W,
    /// Signals that wait; `None` once the client was answered.
    held: Option<Vec<Message>>,
}

#[async_trait]
impl<W: WriteHalf> WriteHalf for Answers<W> {
    async fn send_message(&mut self, message: &Message) -> zbus::Result<()> {
        if message.message_type() == Type::Signal
            && let Some(held) = &mut self.held
        {
            if held.len() < HELD_MAX {
                held.push(message.clone());
            }
            return Ok(());
        }
        self.write.send_message(message).await?;
        for signal in self.held.take().unwrap_or_default() {
            self.write.send_message(&signal).await?;
        }
        Ok(())
    }

    async fn sendmsg(&mut self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.write.sendmsg(bytes, descriptors).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.write.flush().await
    }

    async fn close(&mut self) -> io::Result<()> {
        self.write.close().await
    }

    fn can_pass_unix_fd(&self) -> bool {
        self.write.can_pass_unix_fd()
    }

    async fn peer_credentials(&mut self) -> io::Result<ConnectionCredentials> {
        self.write.peer_credentials().await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    #[derive(Debug, Default)]
    struct Sent(Arc<std::sync::Mutex<Vec<Type>>>);

    #[async_trait]
    impl WriteHalf for Sent {
        async fn send_message(&mut self, message: &Message) -> zbus::Result<()> {
            self.0.lock().unwrap().push(message.message_type());
            Ok(())
        }

        async fn close(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn signals_wait_for_the_first_answer_only() {
        let sent = Sent::default();
        let seen = sent.0.clone();
        let mut half = Answers { write: sent, held: Some(Vec::new()) };
        let signal = Message::signal("/a", "a.b", "C").build(&()).unwrap();
        let call = Message::method_call("/a", "D").build(&()).unwrap();
        let answer = Message::method_return(&call.header()).build(&()).unwrap();

        half.send_message(&signal).await.unwrap();
        assert!(seen.lock().unwrap().is_empty());
        half.send_message(&answer).await.unwrap();
        half.send_message(&signal).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), [Type::MethodReturn, Type::Signal, Type::Signal]);
    }
}
