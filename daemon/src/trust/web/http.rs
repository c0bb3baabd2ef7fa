//! One HTTP/1.1 exchange (RFC 9112) with a server that may be anybody's: every size, every time and the number
//! of redirections are bounded. `httparse` reads heads and chunk sizes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::address::{Network, Url, network};

/// Longest head of an answer, in bytes.
const HEAD_MAX: usize = 16 * 1024;
/// Most fields in a head.
const FIELDS_MAX: usize = 64;
/// Most redirections followed.
const REDIRECTIONS_MAX: usize = 4;
/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;
/// Time for one connection to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// Bytes read at a time.
const PIECE: usize = 16 * 1024;

/// What to send.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// Where to.
    pub(super) url: String,
    /// A POST with this OCSP request; else a GET.
    pub(super) question: Option<Vec<u8>>,
    /// Whether the host may be in a private network.
    pub(super) private: bool,
    /// Longest body taken, in bytes.
    pub(super) body_max: usize,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// The address, or one it redirects to, is not to be called.
    NotAllowed,
    /// No connection, no proper answer, too long an answer, too many redirections: which, for the log.
    Failed(String),
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Sends `order` and follows redirections. Hosts in `named` may be anywhere, also on this machine.
pub(super) async fn exchange(order: &Order, named: &[String]) -> Result<Vec<u8>, Problem> {
    let mut url = Url::read(&order.url).ok_or(Problem::NotAllowed)?;
    for _ in 0..=REDIRECTIONS_MAX {
        let mut stream = connect(&url, order.private, named).await?;
        stream.write_all(&head(&url, order.question.as_deref())).await?;
        if let Some(question) = &order.question {
            stream.write_all(question).await?;
        }
        match Answer::read(&mut stream, order.body_max).await? {
            Answer::Body(body) => return Ok(body),
            Answer::Elsewhere(location) => url = url.join(&location).ok_or(Problem::NotAllowed)?,
        }
    }
    Err(failed("it redirects without end"))
}

/// Connects to an address that is allowed; the address at the other end is looked at again once connected.
async fn connect(url: &Url, private: bool, named: &[String]) -> Result<TcpStream, Problem> {
    let is_named = named.iter().any(|name| name.eq_ignore_ascii_case(&url.host));
    let allowed = |address: &SocketAddr| {
        is_named
            || match network(address.ip()) {
                Network::Public => true,
                Network::Private => private,
                Network::Forbidden => false,
            }
    };
    let found: Vec<SocketAddr> = lookup_host((url.host.as_str(), url.port)).await?.collect();
    let mut problem = if found.is_empty() { failed("the name has no address") } else { Problem::NotAllowed };
    for address in found.iter().filter(|address| allowed(address)).take(ADDRESSES_MAX) {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) if allowed(&stream.peer_addr()?) => return Ok(stream),
            Ok(Ok(_)) => problem = Problem::NotAllowed,
            Ok(Err(error)) => problem = error.into(),
            Err(_) => problem = failed("the connection takes too long"),
        }
    }
    Err(problem)
}

fn head(url: &Url, question: Option<&[u8]>) -> Vec<u8> {
    let method = if question.is_some() { "POST" } else { "GET" };
    let content = question.map_or(String::new(), |question| {
        format!("Content-Type: application/ocsp-request\r\nContent-Length: {}\r\n", question.len())
    });
    let (target, host) = (&url.target, url.authority());
    format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: wafer\r\nAccept: */*\r\n\
         Accept-Encoding: identity\r\n{content}Connection: close\r\n\r\n"
    )
    .into_bytes()
}

enum Answer {
    Body(Vec<u8>),
    Elsewhere(String),
}

/// How the end of a body is known (RFC 9112 section 6.3).
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

impl Answer {
    async fn read(stream: &mut TcpStream, body_max: usize) -> Result<Self, Problem> {
        let mut buffer = Vec::new();
        loop {
            if let Some((head_length, head)) = Head::read(&buffer)? {
                buffer.drain(..head_length);
                return match head.status {
                    200 => read_body(stream, buffer, head.framing, body_max).await.map(Self::Body),
                    301 | 302 | 303 | 307 | 308 => {
                        head.location.map(Self::Elsewhere).ok_or_else(|| failed("it redirects nowhere"))
                    }
                    // An interim answer; the final one follows (RFC 9110 section 15.2).
                    100..200 => continue,
                    status => Err(failed(format!("it answers with status {status}"))),
                };
            }
            if buffer.len() >= HEAD_MAX {
                return Err(failed("the head of its answer is too long"));
            }
            if more(stream, &mut buffer).await? == 0 {
                return Err(failed("it closed the connection"));
            }
        }
    }
}

struct Head {
    status: u16,
    framing: Framing,
    location: Option<String>,
}

impl Head {
    /// The head at the beginning of `bytes` and its length; `None` if it is not whole yet.
    fn read(bytes: &[u8]) -> Result<Option<(usize, Self)>, Problem> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut parsed = httparse::Response::new(&mut fields);
        let length = match parsed.parse(bytes).map_err(|error| failed(error.to_string()))? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => return Ok(None),
        };
        let field = |name: &str| {
            let found = parsed.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(found.value).ok().map(str::trim)
        };
        let framing = match (field("Transfer-Encoding"), field("Content-Length")) {
            (Some(coding), _) if coding.eq_ignore_ascii_case("chunked") => Framing::Chunked,
            (Some(_), _) => return Err(failed("it uses an unknown transfer coding")),
            (None, Some(length)) => {
                Framing::Length(length.parse().map_err(|_| failed("its answer has no proper length"))?)
            }
            (None, None) => Framing::UntilClose,
        };
        let location = field("Location").map(str::to_owned);
        Ok(Some((length, Self { status: parsed.code.unwrap_or(0), framing, location })))
    }
}

/// Reads the rest of a body of which `body` came along with the head.
async fn read_body(
    stream: &mut TcpStream,
    mut body: Vec<u8>,
    framing: Framing,
    max: usize,
) -> Result<Vec<u8>, Problem> {
    let too_long = || failed("its answer is too long");
    match framing {
        Framing::Chunked => return read_chunks(stream, body, max).await,
        Framing::Length(length) if length > max => return Err(too_long()),
        Framing::Length(length) => {
            while body.len() < length {
                if more(stream, &mut body).await? == 0 {
                    return Err(failed("its answer is cut off"));
                }
            }
            body.truncate(length);
        }
        Framing::UntilClose => {
            while more(stream, &mut body).await? > 0 {
                if body.len() > max {
                    return Err(too_long());
                }
            }
        }
    }
    if body.len() > max { Err(too_long()) } else { Ok(body) }
}

async fn read_chunks(stream: &mut TcpStream, mut raw: Vec<u8>, max: usize) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::new();
    loop {
        let (head, size) = match httparse::parse_chunk_size(&raw) {
            Ok(httparse::Status::Complete((head, size))) => (head, size),
            Ok(httparse::Status::Partial) if raw.len() < HEAD_MAX => {
                if more(stream, &mut raw).await? == 0 {
                    return Err(failed("its answer is cut off"));
                }
                continue;
            }
            _ => return Err(failed("its answer has no proper chunks")),
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size == 0 {
            return Ok(body);
        }
        if size > max.saturating_sub(body.len()) {
            return Err(failed("its answer is too long"));
        }
        // The chunk and the line end after it.
        while raw.len() < head + size + 2 {
            if more(stream, &mut raw).await? == 0 {
                return Err(failed("its answer is cut off"));
            }
        }
        body.extend_from_slice(&raw[head..head + size]);
        raw.drain(..head + size + 2);
    }
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<usize, Problem> {
    let mut piece = vec![0; PIECE];
    let read = stream.read(&mut piece).await?;
    buffer.extend_from_slice(&piece[..read]);
    Ok(read)
}

fn failed(why: impl Into<String>) -> Problem {
    Problem::Failed(why.into())
}
