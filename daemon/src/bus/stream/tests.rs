#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::pipe::pipe;
use wafer_client::ErrorKind;
use wafer_client::keeper::{Certainty, PromptPlace, Requester};

use super::*;
use crate::policy::Subject;
use crate::policy::consent::Program;
use crate::request::cancel::{Cancel, Reason};
use crate::request::consent::Asker;
use crate::request::turns::Turns;

fn call_with(stream_timeout: Duration) -> Arc<Call> {
    Arc::new(Call {
        requester: Requester {
            caller: ":1.1".into(),
            program: String::new(),
            pid: 0,
            certainty: Certainty::Unknown,
        },
        subject: Subject { uid: 0 },
        asker: Asker::new(Program::default),
        interactive: true,
        place: PromptPlace::default(),
        deadline: None,
        cancel: Arc::new(Cancel::new().unwrap()),
        done: 0.into(),
        total: 0.into(),
        brief: false.into(),
        seat: Turns::new().seat(":1.1").unwrap(),
        stream_timeout,
        runtime: tokio::runtime::Handle::current(),
    })
}

fn call() -> Arc<Call> {
    call_with(Duration::from_secs(20))
}

fn take(fd: impl Into<OwnedFd>) -> MessageArgument {
    MessageArgument::Descriptor(fd.into())
}

fn supply(argument: MessageArgument, contents: Contents, call: &Arc<Call>) -> Box<dyn Supply> {
    input("input", argument, contents, call).unwrap().supply
}

fn sink(argument: MessageArgument, call: &Arc<Call>) -> Box<dyn Sink> {
    output("output", argument, &[], call).unwrap().sink
}

fn read_all(supply: &mut dyn Supply) -> Vec<u8> {
    let mut bytes = Vec::new();
    supply.open().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn refused(result: Result<impl Sized, WaferError>, sentence_part: &str) {
    let error = result.err().unwrap();
    assert_eq!(error.kind, ErrorKind::InvalidArgument);
    assert!(error.message.contains(sentence_part), "{}", error.message);
}

/// Runs `test` in a thread that may block, as the engine does.
async fn blocking<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(test).await.unwrap()
}

#[tokio::test]
async fn a_file_is_read_from_its_offset_and_left_at_its_end() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"skipped, read").unwrap();
    file.seek(SeekFrom::Start(9)).unwrap();
    let mut supply = supply(take(file.try_clone().unwrap()), Contents::Plaintext, &call());
    assert_eq!(supply.length(), Some(4));
    assert_eq!(read_all(&mut *supply), b"read");
    assert_eq!(read_all(&mut *supply), b"read");
    assert_eq!(file.stream_position().unwrap(), 9);
    supply.finish();
    assert_eq!(file.stream_position().unwrap(), 13);
}

#[tokio::test]
async fn a_failed_output_file_is_cut_back_to_where_it_started() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"before").unwrap();
    let mut sink = sink(take(file.try_clone().unwrap()), &call());
    sink.write_all(b"half a result").unwrap();
    sink.abandon();
    assert_eq!((file.metadata().unwrap().len(), file.stream_position().unwrap()), (6, 6));
}

#[tokio::test]
async fn a_finished_output_file_leaves_the_offset_at_its_end() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"before").unwrap();
    let mut sink = sink(take(file.try_clone().unwrap()), &call());
    sink.write_all(b" after").unwrap();
    sink.finish().unwrap();
    assert_eq!(file.stream_position().unwrap(), 12);
}

#[tokio::test]
async fn an_output_that_failed_before_its_first_byte_keeps_what_was_there() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"precious").unwrap();
    file.rewind().unwrap();
    sink(take(file.try_clone().unwrap()), &call()).abandon();
    assert_eq!(file.metadata().unwrap().len(), 8);
}

#[tokio::test]
async fn descriptors_that_cannot_serve_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    File::create(&path).unwrap();
    let call = call();
    let input = |fd: File| input("input", take(fd), Contents::Plaintext, &call);
    let output = |fd: File| output("output", take(fd), &[], &call);
    refused(input(File::open(folder.path()).unwrap()), "directory");
    refused(output(File::open(folder.path()).unwrap()), "directory");
    refused(input(OpenOptions::new().write(true).open(&path).unwrap()), "not open for reading");
    refused(output(File::open(&path).unwrap()), "not open for writing");
    refused(output(OpenOptions::new().append(true).open(&path).unwrap()), "O_APPEND");
    let event = rustix::event::eventfd(0, rustix::event::EventfdFlags::empty()).unwrap();
    refused(input(event.into()), "no file, pipe, socket or terminal");
}

#[tokio::test]
async fn one_file_cannot_be_input_and_output() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    File::create(&path).unwrap();
    let call = call();
    let first = input("input", take(File::open(&path).unwrap()), Contents::Plaintext, &call).unwrap();
    let second = OpenOptions::new().write(true).open(&path).unwrap();
    refused(output("output", take(second), &[first.identity], &call), "same file");
}

#[tokio::test]
async fn a_pipes_flags_stay_and_it_is_read_twice() {
    for contents in [Contents::Plaintext, Contents::Ciphertext] {
        let (reader, writer) = pipe().unwrap();
        let own = reader.try_clone().unwrap();
        // Longer than what is kept in memory, so that the spool's file is used.
        let message: Vec<u8> = (0..1_000_003_u32).map(|number| (number % 251) as u8).collect();
        let sent = message.clone();
        let feeder = std::thread::spawn(move || File::from(writer).write_all(&sent).unwrap());
        let call = call();
        let mut supply = supply(take(reader), contents, &call);
        let (first, mut supply) = blocking(move || (read_all(&mut *supply), supply)).await;
        feeder.join().unwrap();
        assert!(first == message);
        assert_eq!(supply.length(), Some(1_000_003));
        assert!(blocking(move || read_all(&mut *supply)).await == message);
        assert!(!fcntl_getfl(&own).unwrap().contains(OFlags::NONBLOCK));
    }
}

#[tokio::test]
async fn a_second_reading_goes_on_where_the_first_stopped() {
    let (reader, writer) = pipe().unwrap();
    File::from(writer).write_all(b"first part, second part").unwrap();
    let mut supply = supply(take(reader), Contents::Plaintext, &call());
    let both = blocking(move || {
        let mut part = [0; 10];
        supply.open().unwrap().read_exact(&mut part).unwrap();
        (part, read_all(&mut *supply))
    })
    .await;
    assert_eq!((&both.0[..], &both.1[..]), (&b"first part"[..], &b"first part, second part"[..]));
}

#[tokio::test]
async fn a_long_stream_for_one_pass_is_not_kept() {
    let (reader, writer) = pipe().unwrap();
    let feeder = std::thread::spawn(move || File::from(writer).write_all(&vec![7; 1_000_000]).unwrap());
    let mut supply = supply(take(reader), Contents::OnePass, &call());
    let mut supply = blocking(move || {
        assert_eq!(read_all(&mut *supply).len(), 1_000_000);
        supply
    })
    .await;
    feeder.join().unwrap();
    assert!(supply.open().is_err());
}

#[tokio::test]
async fn a_sockets_flags_stay() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let own = ours.try_clone().unwrap();
    let call = call();
    let mut writing = sink(take(ours.try_clone().unwrap()), &call);
    writing.write_all(b"to the client").unwrap();
    let mut got = [0; 13];
    (&theirs).read_exact(&mut got).unwrap();
    assert_eq!(&got, b"to the client");
    (&theirs).write_all(b"to the daemon").unwrap();
    drop(theirs);
    let mut supply = supply(take(ours), Contents::Plaintext, &call);
    assert_eq!(blocking(move || read_all(&mut *supply)).await, b"to the daemon");
    assert!(!fcntl_getfl(own.as_fd()).unwrap().contains(OFlags::NONBLOCK));
}

#[tokio::test]
async fn a_dead_reader_is_a_broken_pipe() {
    let (reader, writer) = pipe().unwrap();
    let mut sink = sink(take(writer), &call());
    drop(reader);
    assert_eq!(sink.write(b"x").unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_closed_reading_end_is_noticed_without_writing() {
    let (reader, writer) = pipe().unwrap();
    let watch = output("output", take(writer), &[], &call()).unwrap().watch.unwrap();
    let closed = tokio::spawn(reader_closed(watch));
    tokio::task::yield_now().await;
    assert!(!closed.is_finished());
    drop(reader);
    tokio::time::timeout(Duration::from_secs(10), closed).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_cancelled_call_ends_a_thread_that_waits() {
    let (reader, _writer) = pipe().unwrap();
    let call = call();
    let mut supply = supply(take(reader), Contents::Plaintext, &call);
    let waits = tokio::spawn(blocking(move || supply.open().unwrap().read(&mut [0; 8]).unwrap_err()));
    tokio::task::yield_now().await;
    call.cancel.end(Reason::Cancelled);
    let error = waits.await.unwrap();
    assert_eq!(error.get_ref().unwrap().downcast_ref::<Reason>(), Some(&Reason::Cancelled));
}

#[tokio::test]
async fn a_stream_that_stands_still_times_out() {
    let (reader, _writer) = pipe().unwrap();
    let mut supply = supply(take(reader), Contents::Plaintext, &call_with(Duration::from_millis(50)));
    let begun = Instant::now();
    let error = blocking(move || supply.open().unwrap().read(&mut [0; 8]).unwrap_err()).await;
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert!(begun.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn a_waiting_thread_gives_its_turn_back_and_takes_it_again() {
    let turns = Turns::new();
    let (reader, writer) = pipe().unwrap();
    let mut call = call();
    Arc::get_mut(&mut call).unwrap().seat = turns.seat("a").unwrap();
    call.seat.take(&call.cancel).await.unwrap();
    let mut supply = supply(take(reader), Contents::Plaintext, &call);
    let reads = tokio::spawn(blocking(move || read_all(&mut *supply)));
    while turns.counts().0 > 0 {
        tokio::task::yield_now().await;
    }
    File::from(writer).write_all(b"late").unwrap();
    assert_eq!(reads.await.unwrap(), b"late");
    assert_eq!(turns.counts().0, 1);
}

#[tokio::test]
async fn a_full_device_is_said() {
    // A regular file on a full disk is the end-to-end stories' matter: it needs a file system of its own.
    let mut full = sink(take(OpenOptions::new().write(true).open("/dev/full").unwrap()), &call());
    let error = full.write(b"x").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::NOSPC.raw_os_error()));
}

#[tokio::test]
async fn inline_bytes_have_a_limit_both_ways() {
    let call = call();
    let long = MessageArgument::Bytes(Zeroizing::new(vec![0; INLINE_MAX + 1]));
    refused(input("input", long, Contents::Plaintext, &call), "65536");
    let filled = MessageArgument::Bytes(Zeroizing::new(vec![1]));
    refused(output("output", filled, &[], &call), "empty");
    let empty = || MessageArgument::Bytes(Zeroizing::new(Vec::new()));
    let mut answer = output("output", empty(), &[], &call).unwrap();
    answer.sink.write_all(&[5; INLINE_MAX]).unwrap();
    assert!(answer.sink.write(&[5]).is_err());
    answer.sink.finish().unwrap();
    assert_eq!(answer.inline.take().unwrap().len(), INLINE_MAX);
    assert!(answer.inline.take().is_none());
}

#[tokio::test]
async fn neither_descriptor_nor_bytes_is_refused() {
    refused(input("input", MessageArgument::Other, Contents::Plaintext, &call()), "(h)");
}
