//! Measures; runs only when asked for: `cargo nextest run -p wafer-keeper --run-ignored only --no-capture`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a measurement is printed")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::person::Person;
use common::token::{PIN, TestToken};
use common::{Keeper, MODULE, Options, request};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use wafer_client::keeper::{KeyKind, Operation};

const TIME: Duration = Duration::from_secs(3);

/// Signatures per second of one thread that calls C_Sign.
fn raw() -> f64 {
    let pkcs11 = Pkcs11::new(MODULE).unwrap();
    pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let session = pkcs11.open_ro_session(pkcs11.get_slots_with_initialized_token().unwrap()[0]).unwrap();
    session.login(UserType::User, Some(&AuthPin::new(PIN.into()))).unwrap();
    let key = session
        .find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(vec![1])])
        .unwrap()[0];
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < TIME {
        session.sign(&Mechanism::RsaPkcs, key, &[7; 51]).unwrap();
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

fn pss(pid: u32) -> String {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let wanted = ["Pss:", "Pss_Anon:", "Pss_File:"];
    let lines = rollup.lines().filter(|line| wanted.iter().any(|name| line.starts_with(name)));
    lines.collect::<Vec<_>>().join("  ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn signatures_per_second() {
    let (token, person) = (TestToken::new(), Person::new());
    let keeper = Arc::new(Keeper::start(&token, Options::default()).await);
    let pid = keeper.child.id();
    keeper.link.log().await.unwrap();
    println!("before the module: {}", pss(pid));
    let request = request(&keeper.key(KeyKind::Rsa).await.id, Operation::Sign, &person);
    println!("with the module, before a dialog: {}", pss(pid));
    keeper.unlock_by_signing(&request, &person).await;
    println!("after a dialog: {}", pss(pid));
    for clients in [1, 8] {
        let start = Instant::now();
        let tasks: Vec<_> = (0..clients)
            .map(|_| {
                let (keeper, request) = (Arc::clone(&keeper), request.clone());
                tokio::spawn(async move {
                    let mut count = 0;
                    while start.elapsed() < TIME {
                        keeper.sign(&request).await.unwrap();
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        let mut total = 0;
        for task in tasks {
            total += task.await.unwrap();
        }
        println!("{clients} clients: {:.0}/s", f64::from(total) / start.elapsed().as_secs_f64());
    }
    println!("after signing: {}", pss(pid));
    wafer_keeper::sys::set_environment(&[("SOFTHSM2_CONF".to_owned(), token.conf().display().to_string())]);
    println!("raw C_Sign, one thread: {:.0}/s", tokio::task::block_in_place(raw));
}
