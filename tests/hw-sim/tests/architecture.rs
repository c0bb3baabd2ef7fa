//! The walls between the crates, held against the manifests and the `use` lines: smime and client-lib know nobody,
//! keeper and daemon never import each other, the CLI sees only client-lib, and `waferd` (which parses strangers'
//! mail) links nothing that loads a vendor's module or speaks to a card. ARCHITECTURE.md has the map.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Folder, crate, and which of our own crates it may use. hw-sim is the tests: it may use all.
const WALLS: &[(&str, &str, &[&str])] = &[
    ("smime", "wafer-smime", &[]),
    ("client-lib", "wafer-client", &[]),
    ("keeper", "wafer-keeper", &["wafer-client"]),
    ("daemon", "waferd", &["wafer-smime", "wafer-client"]),
    ("cli", "wafer", &["wafer-client"]),
    ("bench", "wafer-bench", &["wafer-client"]),
    (
        "tests/hw-sim",
        "hw-sim",
        &["wafer-smime", "wafer-client", "wafer-keeper", "waferd", "wafer", "wafer-test-card"],
    ),
    ("tests/hw-sim/modules", "wafer-test-module", &[]),
    ("tests/hw-sim/card", "wafer-test-card", &[]),
];

/// Crates that only some of ours may use at all: what they drag in belongs behind one wall.
const RESERVED: &[(&str, &[&str])] = &[
    ("cryptoki", &["wafer-keeper", "hw-sim", "wafer-test-module", "wafer-bench"]),
    ("cryptoki-sys", &["wafer-keeper", "hw-sim", "wafer-test-module", "wafer-bench"]),
    ("pcsc", &["wafer-keeper", "hw-sim"]),
    ("piv-authenticator", &["wafer-test-card"]),
    ("trussed-rsa-alloc", &["wafer-test-card"]),
    ("cms", &["wafer-smime"]),
    ("certval", &["waferd"]),
];

/// What must not be in `waferd`'s tree, however deep: PINs, cards and foreign code live in the keepers.
const NOT_IN_WAFERD: &[&str] = &["cryptoki", "cryptoki-sys", "pcsc", "pcsc-sys", "libloading", "secrecy"];

/// The smime engine does no I/O of its own and knows no bus.
const NOT_IN_SMIME: &[&str] = &["tokio", "zbus", "rustix", "cryptoki", "pcsc"];

#[test]
fn manifests_point_the_right_way() {
    let metadata = Metadata::read();
    let faults: Vec<String> = metadata.members().flat_map(faults_of).collect();
    assert!(faults.is_empty(), "arrows against the map in ARCHITECTURE.md:\n{}", faults.join("\n"));
}

#[test]
fn use_lines_point_the_right_way() {
    let mut faults = Vec::new();
    for (folder, name, allowed) in WALLS {
        let others = WALLS.iter().map(|(_, other, _)| *other);
        let foreign: Vec<String> = others
            .filter(|other| other != name && !allowed.contains(other))
            .map(|other| other.replace('-', "_"))
            .collect();
        for file in rust_files(&workspace().join(folder).join("src")) {
            faults.extend(uses_of(&file, &foreign));
        }
    }
    assert!(faults.is_empty(), "arrows against the map in ARCHITECTURE.md:\n{}", faults.join("\n"));
}

/// The test above sees what it looks for: a line that runs the wrong way is found, a word in a comment is not.
#[test]
fn the_reader_of_use_lines_can_see() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("room.rs");
    let text = "// use wafer_keeper::pin;\nuse std::fmt;\nfn f() { wafer_keeper::pin::ask(); }\nuse wafer_keepers::x;\n";
    std::fs::write(&file, text).unwrap();
    let found = uses_of(&file, &["wafer_keeper".to_owned()]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("room.rs:3"), "{found:?}");
}

#[test]
fn waferd_links_no_card_and_no_module() {
    let tree = Metadata::read().tree_of("waferd");
    assert!(tree.contains("zbus"), "the tree was not read: {tree:?}");
    let held: Vec<_> = NOT_IN_WAFERD.iter().filter(|name| tree.contains(**name)).collect();
    assert!(held.is_empty(), "waferd's dependency tree holds {held:?}");
}

#[test]
fn the_engine_does_no_io_of_its_own() {
    let tree = Metadata::read().tree_of("wafer-smime");
    assert!(tree.contains("aws-lc-rs"), "the tree was not read: {tree:?}");
    let held: Vec<_> = NOT_IN_SMIME.iter().filter(|name| tree.contains(**name)).collect();
    assert!(held.is_empty(), "wafer-smime's dependency tree holds {held:?}");
}

/// One crypto provider, one runtime: two of either double what has to be trusted and audited.
#[test]
fn one_provider_and_one_runtime() {
    for program in ["waferd", "wafer-keeper", "wafer"] {
        let tree = linked_into(program);
        assert!(tree.contains("zbus"), "the tree was not read: {tree:?}");
        for other in ["ring", "openssl", "openssl-sys", "rsa", "async-std", "smol", "async-io"] {
            assert!(!tree.contains(other), "{program} links {other}");
        }
    }
}

/// What is linked into `program`. Not from `cargo metadata`: that also lists what a feature would bring that
/// nobody has switched on (rustls names `ring` so).
fn linked_into(program: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--package",
            program,
        ])
        .current_dir(workspace())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// What `package`'s manifest asks for and may not have.
fn faults_of(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap();
    let Some((_, _, allowed)) = WALLS.iter().find(|(_, known, _)| *known == name) else {
        return vec![format!("{name} is not in the table of this test: say what it may use")];
    };
    let dependencies = package["dependencies"].as_array().unwrap();
    let asked = dependencies.iter().map(|dependency| dependency["name"].as_str().unwrap());
    let refused = asked.filter_map(|on| {
        let ours = WALLS.iter().any(|(_, known, _)| *known == on);
        if ours && on != name && !allowed.contains(&on) {
            return Some(format!("{name} depends on {on}"));
        }
        let (_, holders) = RESERVED.iter().find(|(known, _)| *known == on)?;
        (!holders.contains(&name)).then(|| format!("{name} depends on {on}, which belongs to {holders:?}"))
    });
    refused.collect()
}

/// `cargo metadata`: the manifests, and the resolved graph of what is linked.
struct Metadata(Value);

impl Metadata {
    fn read() -> Self {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked", "--offline"])
            .current_dir(workspace())
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        Self(serde_json::from_slice(&output.stdout).expect("cargo metadata writes JSON"))
    }

    fn packages(&self) -> &[Value] {
        self.0["packages"].as_array().unwrap()
    }

    fn members(&self) -> impl Iterator<Item = &Value> {
        let ids = self.0["workspace_members"].as_array().unwrap();
        self.packages().iter().filter(move |package| ids.contains(&package["id"]))
    }

    /// Names of all crates that `name` links on Linux, through normal dependencies only (not build or dev).
    fn tree_of(&self, name: &str) -> BTreeSet<String> {
        let names: HashMap<&str, &str> = self
            .packages()
            .iter()
            .map(|p| (p["id"].as_str().unwrap(), p["name"].as_str().unwrap()))
            .collect();
        let nodes = self.0["resolve"]["nodes"].as_array().unwrap();
        let edges: BTreeMap<&str, Vec<&str>> = nodes.iter().map(linked_by).collect();
        let start = self.members().find(|p| p["name"] == name).expect("a member of the workspace");
        let mut todo = vec![start["id"].as_str().unwrap()];
        let mut seen = BTreeSet::new();
        while let Some(id) = todo.pop() {
            if seen.insert(id) {
                todo.extend(edges[id].iter().copied());
            }
        }
        seen.into_iter().map(|id| names[id].to_owned()).collect()
    }
}

/// A node of the resolved graph, and the nodes that it links on Linux.
fn linked_by(node: &Value) -> (&str, Vec<&str>) {
    let linked = node["deps"].as_array().unwrap().iter().filter(|dependency| {
        dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| {
            let target = kind["target"].as_str().unwrap_or("");
            kind["kind"].is_null() && !target.contains("windows") && !target.contains("wasm")
        })
    });
    (node["id"].as_str().unwrap(), linked.map(|dependency| dependency["pkg"].as_str().unwrap()).collect())
}

/// Lines of `file` that name one of the crates `foreign` as a path (`name::`) or import it, outside of comments.
fn uses_of(file: &Path, foreign: &[String]) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().enumerate().filter(|(_, line)| {
        let code = line.split("//").next().unwrap_or("");
        foreign.iter().any(|name| names_crate(code, name))
    });
    lines.map(|(number, line)| format!("{}:{}: {}", file.display(), number + 1, line.trim())).collect()
}

/// Whether `code` holds the crate's name as a whole word that starts a path, or is imported by itself.
fn names_crate(code: &str, name: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].trim_end();
        let after = code[at + name.len()..].trim_start();
        let starts = !before.ends_with("::") && !code[..at].chars().next_back().is_some_and(word);
        let ends = !code[at + name.len()..].chars().next().is_some_and(word);
        let imported = before == "use" || before == "extern crate";
        starts && ends && (after.starts_with("::") || imported)
    })
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tests/hw-sim is two below").to_owned()
}
