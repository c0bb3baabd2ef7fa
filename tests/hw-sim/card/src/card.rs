//! The card as a test holds it: plugs it, pulls it, reads its diary, spoils its answers.

use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::applet::run;
use crate::diary::Diary;
use crate::fault::{Effect, Fault};
use crate::front::{Front, GlobalPin};
use crate::iso::{Command, Layer, status};
use crate::reader::{self, Order};

/// What the card answers to a reset: T=1, with the historical bytes of nobody in particular.
const ATR: &[u8] = &[0x3b, 0x95, 0x13, 0x81, 0x01, 0x80, 0x73, 0xff, 0x01, 0x00, 0x0b];
/// The same of a card that takes extended lengths (third octet of the card capabilities).
const ATR_EXTENDED: &[u8] = &[0x3b, 0x95, 0x13, 0x81, 0x01, 0x80, 0x73, 0xff, 0x01, 0xc0, 0xcb];
/// A reader that pcscd is just making is tried again for so long.
const READER_TIME: Duration = Duration::from_secs(40);

/// A card. It leaves its reader when it is dropped; its flash stays in its folder.
#[derive(Debug)]
pub struct Card {
    shared: Arc<Shared>,
    plugs: Option<Sender<TcpStream>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    diary: Diary,
    faults: Mutex<Vec<Fault>>,
    reader: Mutex<Option<TcpStream>>,
    short: Mutex<bool>,
}

impl Card {
    /// The card whose flash lies in `folder`; an empty folder makes a new one. It is in no reader yet.
    pub fn new(folder: &Path) -> Self {
        Self::made(folder, None)
    }

    /// The same with a global PIN, which this value remembers, not the flash.
    pub fn with_global_pin(folder: &Path, global: GlobalPin) -> Self {
        Self::made(folder, Some(global))
    }

    fn made(folder: &Path, global: Option<GlobalPin>) -> Self {
        let shared = Arc::new(Shared::default());
        let (plugs, plugged) = channel();
        let (folder, theirs) = (folder.to_owned(), Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("card".to_owned());
        let life = move || {
            run(&folder, |applet| live(Front::new(applet, &folder, global), &plugged, &theirs));
        };
        let thread = thread.spawn(life).unwrap();
        Self { shared, plugs: Some(plugs), thread: Some(thread) }
    }

    /// Puts it into the virtual reader on `port`, pulling it out of another first.
    pub fn plug(&self, port: u16) {
        self.pull();
        let end = Instant::now() + READER_TIME;
        let stream = loop {
            match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < end, "no reader on port {port}: {error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        *self.shared.reader.lock().unwrap() = Some(stream.try_clone().unwrap());
        self.plugs.as_ref().unwrap().send(stream).unwrap();
    }

    /// Pulls it out of its reader; in the middle of a command, if there is one.
    pub fn pull(&self) {
        self.shared.pull();
    }

    /// Makes something go wrong from now on.
    pub fn inject(&self, fault: Fault) {
        self.shared.faults.lock().unwrap().push(fault);
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        self.shared.faults.lock().unwrap().clear();
    }

    /// Whether it takes extended lengths (as it does at first); else chains and GET RESPONSE are needed. Its
    /// answer to reset says so too: set it before it is plugged.
    pub fn extended(&self, yes: bool) {
        *self.shared.short.lock().unwrap() = !yes;
    }

    /// Everything that it was asked and said.
    pub fn diary(&self) -> &Diary {
        &self.shared.diary
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        self.plugs = None;
        self.pull();
        if let Some(thread) = self.thread.take() {
            // A panic in there was printed already.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn pull(&self) {
        if let Some(reader) = self.reader.lock().unwrap().take() {
            // The other end may have closed it first.
            let _ = reader.shutdown(Shutdown::Both);
        }
    }

    fn effects(&self, command: &Command) -> Vec<Effect> {
        let mut faults = self.faults.lock().unwrap();
        faults.iter_mut().filter_map(|fault| fault.strikes(command).then(|| fault.effect.clone())).collect()
    }
}

/// The card's life: in one reader after the other, until nobody holds it any more.
fn live(mut front: Front<'_>, plugged: &Receiver<TcpStream>, shared: &Shared) {
    let mut layer = Layer::default();
    while let Ok(stream) = plugged.recv() {
        // The reader's end of the connection is the card's removal, and no error.
        let _ = serve(&stream, &mut front, &mut layer, shared);
        lose_power(&mut front, &mut layer);
    }
}

fn serve(
    reader: &TcpStream,
    front: &mut Front<'_>,
    layer: &mut Layer,
    shared: &Shared,
) -> std::io::Result<()> {
    loop {
        match reader::next(reader)? {
            Order::Reset => lose_power(front, layer),
            Order::AnswerToReset => {
                let atr = if *shared.short.lock().unwrap() { ATR } else { ATR_EXTENDED };
                reader::answer(reader, atr)?;
            }
            Order::Command(apdu) => {
                shared.diary.command(&apdu);
                layer.extended = !*shared.short.lock().unwrap();
                let answer = match layer.take(&apdu) {
                    Ok(command) => obey(&command, front, layer, shared),
                    Err(answer) => Some(answer),
                };
                // Silent until the reader is gone.
                let Some(answer) = answer else { continue };
                shared.diary.answer(&answer);
                reader::answer(reader, &answer)?;
            }
        }
    }
}

/// The answer to a whole command, or what goes wrong instead; `None` is silence.
fn obey(command: &Command, front: &mut Front<'_>, layer: &mut Layer, shared: &Shared) -> Option<Vec<u8>> {
    for effect in shared.effects(command) {
        match effect {
            Effect::Delay(time) => std::thread::sleep(time),
            Effect::Status(word) => return Some(status(word)),
            Effect::Silence => return None,
            Effect::Restart => lose_power(front, layer),
            Effect::Before(apdu) => {
                if let Ok(other) = layer.take(&apdu) {
                    layer.answer(&other, front);
                }
            }
        }
    }
    Some(layer.answer(command, front))
}

fn lose_power(front: &mut Front<'_>, layer: &mut Layer) {
    front.shut();
    layer.reset();
}
