//! The contract: what waferd serves is what `dbus/*.xml` says, every method, argument, property, signal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use hw_sim::World;
use hw_sim::programs::workspace;
use wafer_client::names::ROOT_PATH;
use zbus::Connection;
use zbus_xml::{Arg, ArgDirection, Interface, Node};

/// An interface as lines that can be compared and read.
type Lines = BTreeSet<String>;

const PREFIX: &str = "org.waferd.Wafer1.";

#[tokio::test]
async fn the_bus_serves_what_the_xml_says() {
    let world = World::new().await;
    let token = world.caller.token().await;
    let identity = world.caller.identity("alice").await;
    let bus = world.caller.connection();
    hold_against_xml(bus, token.as_str(), identity.as_str()).await;
}

#[tokio::test]
async fn the_private_socket_serves_the_same() {
    let world = World::new().await;
    let token = world.caller.token().await;
    let identity = world.caller.identity("alice").await;
    let address = world.waferd.private_address();
    let socket = zbus::connection::Builder::address(address.as_str()).p2p().build().await.unwrap();
    hold_against_xml(&socket, token.as_str(), identity.as_str()).await;
}

async fn hold_against_xml(connection: &Connection, token: &str, identity: &str) {
    let mut live = BTreeMap::new();
    for path in [ROOT_PATH, token, identity] {
        live.extend(lines(&introspect(connection, path).await));
    }
    let written = written();
    let names = |interfaces: &BTreeMap<String, Lines>| interfaces.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&live), names(&written), "the interfaces served, and those with an XML file");
    for (name, expected) in written {
        let served = &live[&name];
        let missing: Vec<_> = expected.difference(served).collect();
        let unwritten: Vec<_> = served.difference(&expected).collect();
        assert!(
            missing.is_empty() && unwritten.is_empty(),
            "{name}\n  written, not served: {missing:#?}\n  served, not written: {unwritten:#?}"
        );
    }
}

async fn introspect(connection: &Connection, path: &str) -> Node<'static> {
    let destination = connection.is_bus().then_some("org.waferd.Wafer1");
    let interface = Some("org.freedesktop.DBus.Introspectable");
    let reply = connection.call_method(destination, path, interface, "Introspect", &()).await.unwrap();
    let xml: String = reply.body().deserialize().unwrap();
    Node::from_reader(xml.as_bytes()).unwrap()
}

/// Every interface that the files in `dbus/` describe.
fn written() -> BTreeMap<String, Lines> {
    let files = std::fs::read_dir(workspace().join("dbus")).unwrap();
    let files =
        files.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "xml"));
    let mut all = BTreeMap::new();
    for file in files {
        let described = lines(&Node::from_reader(File::open(&file).unwrap()).unwrap());
        assert_eq!(described.len(), 1, "{}: one interface a file", file.display());
        let name = described.keys().next().unwrap();
        assert_eq!(file.file_stem().unwrap().to_str().unwrap(), name, "the file has its interface's name");
        all.extend(described);
    }
    assert_eq!(all.len(), 9);
    all
}

/// Our interfaces in `node`, each as lines.
fn lines(node: &Node<'_>) -> BTreeMap<String, Lines> {
    let ours = node.interfaces().iter().filter(|interface| interface.name().as_str().starts_with(PREFIX));
    ours.map(|interface| (interface.name().to_string(), interface_lines(interface))).collect()
}

fn interface_lines(interface: &Interface<'_>) -> Lines {
    let methods =
        interface.methods().map(|method| format!("method {}({})", method.name(), arguments(method.args())));
    let signals =
        interface.signals().map(|signal| format!("signal {}({})", signal.name(), arguments(signal.args())));
    let properties = interface.properties().map(|property| {
        let access = (property.access().read(), property.access().write());
        format!("property {} {} (read, write) = {access:?}", property.name(), property.ty())
    });
    methods.chain(signals).chain(properties).collect()
}

fn arguments(arguments: &[Arg<'_>]) -> String {
    let argument = |argument: &Arg<'_>| {
        // A signal's arguments have no direction, or "out", which is the same.
        let direction = if argument.direction() == Some(ArgDirection::In) { "in" } else { "out" };
        format!("{direction} {} {}", argument.name().unwrap_or("(unnamed)"), argument.ty())
    };
    arguments.iter().map(argument).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_activation_file_names_the_bus_and_the_unit() {
    let text = std::fs::read_to_string(workspace().join("dbus/org.waferd.Wafer1.service")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(
        lines,
        [
            "[D-BUS Service]",
            "Name=org.waferd.Wafer1",
            "Exec=@libexecdir@/waferd/waferd",
            "SystemdService=waferd.service",
        ]
    );
}
