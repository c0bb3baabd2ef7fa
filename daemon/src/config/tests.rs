#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use super::*;

struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn places(&self) -> Places {
        Places {
            named_file: None,
            system: self.folder.path().join("etc/waferd"),
            config_home: self.folder.path().join("config"),
            data_home: self.folder.path().join("data"),
            cache_home: self.folder.path().join("cache"),
            executable_folder: Some(self.folder.path().join("bin")),
            registry: ["usr", "etc"].map(|folder| self.folder.path().join(folder)).to_vec(),
        }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn load_user(&self, text: &str) -> Result<Settings, SettingsError> {
        self.write("config/waferd/waferd.toml", text);
        Settings::load(&self.places())
    }
}

#[test]
fn without_files_the_defaults_hold() {
    let home = Home::new();
    let settings = Settings::load(&home.places()).unwrap();
    assert_eq!(settings, Settings::defaults(&home.places()));
    assert_eq!(settings.keeper, Path::new(places::SYSTEM_KEEPER));
    assert_eq!(settings.recipients_folder, home.folder.path().join("data/waferd/recipients"));
}

#[test]
fn a_keeper_beside_the_daemon_is_preferred() {
    let home = Home::new();
    let beside = home.write("bin/wafer-keeper", "");
    assert_eq!(Settings::load(&home.places()).unwrap().keeper, beside);
}

#[test]
fn the_persons_file_overrides_single_keys_and_modules_by_name() {
    let home = Home::new();
    home.write(
        "etc/waferd/waferd.toml",
        "stream-timeout-s = 5\n[pin]\nidle-timeout-s = 1\nmax-timeout-s = 2\n\
         [[module]]\nname = \"a\"\npath = \"/a.so\"\n[[module]]\nname = \"b\"\npath = \"/b.so\"\n",
    );
    let settings = home
        .load_user(
            "module-deadline-ms = 1500\n[module-deadline]\nsign-s = 9\n[pin]\nidle-timeout-s = 0\n\
             [[module]]\nname = \"a\"\npath = \"/new.so\"\nnetwork = true\nstate = [\"/var/a\"]\n\
             environment = { CONF = \"x\" }\n",
        )
        .unwrap();
    assert_eq!(settings.stream_timeout, Duration::from_secs(5));
    assert_eq!(settings.module_deadline, Duration::from_millis(1500));
    assert_eq!(
        (settings.pin.idle_timeout, settings.pin.max_timeout),
        (Duration::ZERO, Duration::from_secs(2))
    );
    assert_eq!(settings.modules.len(), 2);
    assert_eq!(
        settings.modules[0],
        Module {
            name: "a".into(),
            path: "/new.so".into(),
            network: true,
            state: vec!["/var/a".into()],
            environment: BTreeMap::from([("CONF".into(), "x".into())]),
        }
    );
}

#[test]
fn a_named_file_is_read_alone_and_must_exist() {
    let home = Home::new();
    home.write("etc/waferd/waferd.toml", "nonsense = 1\n");
    let named = home.write("named.toml", "trust-folder = \"/roots\"\npinentry = \"/p\"\n");
    let places = Places { named_file: Some(named.clone()), ..home.places() };
    let settings = Settings::load(&places).unwrap();
    assert_eq!(settings.trust_folders, [Path::new("/roots")]);
    assert_eq!(settings.pinentry, Path::new("/p"));
    fs::remove_file(&named).unwrap();
    let error = Settings::load(&places).unwrap_err();
    assert_eq!((error.file, error.line), (named, 0));
}

#[test]
fn every_fault_names_its_line() {
    let home = Home::new();
    for (text, line, part) in [
        ("# fine\nunknown-key = 1\n", 2, "unknown field"),
        ("[pin]\nidle-timeout-s = \"ten\"\n", 2, "invalid type"),
        ("[pin]\n\n\nwrong = 1\n", 4, "unknown field"),
        ("pinentry = \"/p\"\nkeeper = \n", 2, ""),
        ("\npinentry = \"pinentry\"\n", 2, "must be absolute"),
        ("[[module]]\nname = \"a\"\npath = \"a.so\"\n", 3, "must be absolute"),
        ("[[module]]\nname = \"\"\npath = \"/a.so\"\n", 2, "needs a name"),
        ("[[module]]\nname = \"a\"\npath = \"/a\"\n[[module]]\nname = \"a\"\npath = \"/b\"\n", 5, "already"),
        ("[[module]]\nname = \"a\"\npath = \"/a\"\nenvironment = { LD_PRELOAD = \"/x\" }\n", 4, "LD_PRELOAD"),
        ("[module-deadline]\nsign-s = 0\n", 2, "at least 1"),
        ("[[module]]\nname = \"a\"\n", 1, "missing field `path`"),
    ] {
        let error = home.load_user(text).unwrap_err();
        assert_eq!(error.line, line, "{text:?}: {error}");
        assert!(error.problem.contains(part), "{text:?}: {error}");
        assert!(error.file.ends_with("waferd/waferd.toml"));
    }
}

#[test]
fn on_the_bus_it_is_bad_settings_with_file_and_line() {
    let error = SettingsError { file: "/etc/waferd/waferd.toml".into(), line: 7, problem: "no".into() };
    let error = WaferError::from(&error);
    assert_eq!(error.kind, ErrorKind::BadSettings);
    assert_eq!(error.details["line"].downcast_ref::<u32>().unwrap(), 7);
    assert!(error.message.contains("/etc/waferd/waferd.toml:7"));
}

#[test]
fn registered_modules_are_used_where_none_is_named() {
    let home = Home::new();
    let library = |name: &str| home.write(&format!("lib/{name}"), "").display().to_string();
    let register = |file: &str, library: &str, more: &str| {
        home.write(file, &format!("# a comment: with a colon\nmodule: {library}\n{more}"));
    };
    register("usr/card.module", &library("card.so"), "critical: no\n");
    register("usr/trust.module", &library("trust.so"), "trust-policy: yes\n");
    register("usr/proxy.module", &library("p11-kit-proxy.so"), "");
    register("usr/own.module", &library("libwafer_pkcs11.so"), "");
    register("usr/missing.module", "/nowhere/missing.so", "");
    register("usr/others.module", &library("others.so"), "enable-in: firefox, chrome\n");
    register("usr/not-here.module", &library("not-here.so"), "disable-in: waferd\n");
    register("usr/replaced.module", &library("old.so"), "");
    register("etc/replaced.module", &library("new.so"), "");
    register("usr/no-module", &library("x.so"), "");
    let names = |settings: &Settings| -> Vec<String> {
        settings.modules.iter().map(|module| module.name.clone()).collect()
    };
    let settings = Settings::load(&home.places()).unwrap();
    assert_eq!(names(&settings), ["card", "replaced"]);
    assert!(settings.modules[1].path.ends_with("lib/new.so"));

    let module = format!("[[module]]\nname = \"mine\"\npath = \"{}\"\n", library("card.so"));
    assert_eq!(names(&home.load_user(&module).unwrap()), ["mine"], "a person who names modules means those");
    let both = format!("p11-kit = true\n{module}");
    assert_eq!(names(&home.load_user(&both).unwrap()), ["mine", "replaced"], "no library twice");
    assert!(names(&home.load_user("p11-kit = false\n").unwrap()).is_empty());
}

#[test]
fn a_click_for_the_pin_is_the_administrator_s_choice() {
    let home = Home::new();
    assert!(!home.load_user("").unwrap().pin.confirm_each_use);
    assert!(home.load_user("[pin]\neach-use = \"confirm\"\n").unwrap().pin.confirm_each_use);
    assert!(!home.load_user("").unwrap().pin.secret_memory);
    assert!(home.load_user("[pin]\nsecret-memory = true\n").unwrap().pin.secret_memory);
    assert_eq!(home.load_user("[pin]\neach-use = \"never\"\n").unwrap_err().line, 2);
}
