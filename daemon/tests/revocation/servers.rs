//! Servers for certificates to name: real ones, and ones that misbehave.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A process that ends with the test.
pub struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nobody listens on just now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Python's own web server over `folder`.
pub fn files(folder: &Path, port: u16) -> Server {
    let mut command = Command::new("python3");
    command.args(["-u", "-m", "http.server", "--bind", "127.0.0.1", &port.to_string()]);
    start(command.current_dir(folder), "Serving HTTP")
}

/// OpenSSL's responder over an authority's folder, answering with the key of `signer`.
pub fn responder(folder: &Path, port: u16, signer: &str) -> Server {
    let (certificate, key) = (format!("{signer}.pem"), format!("{signer}.key"));
    let mut command = Command::new("openssl");
    command.args(["ocsp", "-index", "index.txt", "-CA", "root.pem", "-port", &port.to_string()]);
    command.args(["-rsigner", &certificate, "-rkey", &key, "-ndays", "7"]);
    start(command.current_dir(folder), "waiting for OCSP client connections")
}

/// Starts `command` and waits until it says on either output that it serves.
fn start(command: &mut Command, ready: &str) -> Server {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (said, heard) = std::sync::mpsc::channel();
    let outputs: [Box<dyn Read + Send>; 2] =
        [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
    for output in outputs {
        let said = said.clone();
        // Reads on to the end, so that the server never waits for room in a pipe.
        std::thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).for_each(|line| drop(said.send(line)));
        });
    }
    drop(said);
    assert!(heard.iter().any(|line| line.contains(ready)), "the server did not start");
    Server(child)
}

/// A server that does to every connection what a closure says, after it has read the request.
pub struct Odd {
    pub port: u16,
    asked: Arc<AtomicUsize>,
}

impl Odd {
    pub fn new(mut answer: impl FnMut(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, asked) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
        let count = asked.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::SeqCst);
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                answer(stream);
            }
        });
        Self { port, asked }
    }

    /// Always the same bytes.
    pub fn saying(bytes: Vec<u8>) -> Self {
        Self::new(move |mut stream| drop(stream.write_all(&bytes)))
    }

    /// Always this body.
    pub fn serving(body: &[u8]) -> Self {
        let mut bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        Self::saying(bytes)
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}
