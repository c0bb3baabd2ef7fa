# Wafer: what a person types. `make` alone shows the list.
#
#   make demo       one mail signed, verified, encrypted and decrypted with a SoftHSM token, step by step
#   make test       every test (installs what is missing)
#   make soak       MINUTES=2 SEED=: eight programs at work while cards, pcscd, modules and processes fail
#   make fuzz       SECONDS=60: each fuzz target for so long
#   make interop    Wafer and six other programs read each other; writes docs/interop.md
#   make bench      Wafer beside raw PKCS#11, gpgsm and OpenSSL, in one interleaved run
#   make pictures   the dialogs as people see them; writes docs/pictures
#   make lint       format, clippy, docs, licences
#   make install    PREFIX=/usr/local DESTDIR=

PREFIX      ?= /usr/local
DESTDIR     ?=
BINDIR      ?= $(PREFIX)/bin
LIBEXECDIR  ?= $(PREFIX)/libexec
DATADIR     ?= $(PREFIX)/share
# systemd reads a person's own units from ~/.local/share, everybody's from PREFIX/lib.
USERUNITDIR ?= $(if $(filter $(HOME)/.local,$(PREFIX)),$(PREFIX)/share/systemd/user,$(PREFIX)/lib/systemd/user)

CARGO_TARGET_DIR ?= $(CURDIR)/target
# Where `make install` takes the programs from; the tests of the units say BUILT=target/debug.
BUILT       ?= $(CARGO_TARGET_DIR)/release
PROGRAMS    := -p wafer -p waferd -p wafer-keeper

# A fresh rustup puts cargo here, and a shell that was open before does not know it yet.
export PATH := $(PATH):$(HOME)/.cargo/bin
# Test vectors of others, beside the checkout; without them those tests say so and pass (in CI they fail).
WAFER_VECTORS ?= $(wildcard $(abspath ../shared/vectors))
ifneq ($(WAFER_VECTORS),)
export WAFER_VECTORS
endif

INSTALL := install

.PHONY: help deps build release test soak fuzz interop demo bench pictures lint fmt-check install uninstall clean

help:
	@sed -n '/^#   make/s/^#   //p' Makefile

deps:
	@scripts/deps

build:
	@scripts/deps build
	cargo build --locked --workspace --all-targets

release:
	@scripts/deps build
	cargo build --locked --release $(PROGRAMS)

# --workspace --bins also makes the programs that the end-to-end tests start; the release build is for the
# test that measures memory.
test:
	@scripts/deps build test
	cargo build --locked --workspace
	cargo build --locked --release $(PROGRAMS)
	cargo nextest run --locked --workspace
	cargo test --locked --workspace --doc --quiet
	@echo "test: everything passed"

# Eight mail programs at work while everything fails that can; a SEED makes the same decisions again.
MINUTES ?= 2
soak:
	@scripts/deps build test
	cargo build --locked --workspace
	cargo build --locked --workspace --example soak
	@MINUTES=$(MINUTES) SEED=$(SEED) $(CARGO_TARGET_DIR)/debug/examples/soak

# Findings lie in fuzz/artifacts.
SECONDS ?= 60
fuzz:
	@scripts/deps build fuzz
	@fuzz/run $(SECONDS)

# Debian has no Python cryptography that is new enough to encrypt, so that one comes from PyPI.
interop:
	@scripts/deps build test interop
	@test -x $(CARGO_TARGET_DIR)/interop/bin/python || python3 -m venv $(CARGO_TARGET_DIR)/interop
	$(CARGO_TARGET_DIR)/interop/bin/pip install --quiet --disable-pip-version-check cryptography==50.0.2
	@mkdir -p docs
	WAFER_INTEROP=$(CURDIR)/docs/interop.md WAFER_INTEROP_PYTHON=$(CARGO_TARGET_DIR)/interop/bin/python \
	  cargo test --locked -p wafer-smime --test interop page
	@echo "interop: docs/interop.md is the matrix"

demo:
	@scripts/deps build demo
	cargo build --locked $(PROGRAMS)
	@demo/run $(CARGO_TARGET_DIR)/debug

bench:
	@scripts/deps build bench
	cargo build --locked --release $(PROGRAMS) -p wafer-bench
	cargo build --locked --release -p wafer-smime --example throughput
	cargo build --locked --release -p waferd --example people
	cargo build --locked --workspace --example card
	@bench/run $(CARGO_TARGET_DIR)/release

pictures:
	@scripts/deps build test
	cargo build --locked --workspace
	cargo build --locked --workspace --example pictures
	@$(CARGO_TARGET_DIR)/debug/examples/pictures docs/pictures
	@echo "pictures: docs/pictures is what people see"

fmt-check:
	cargo fmt --all --check

lint: fmt-check
	@scripts/deps build lint
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items
	cargo deny check licenses bans sources
	@echo "lint: clean"

# Programs, units, activation file and the contract. As root after `make release`, or with PREFIX=$HOME/.local.
install:
	@test -x $(BUILT)/waferd -a -x $(BUILT)/wafer-keeper -a -x $(BUILT)/wafer || $(MAKE) release
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBEXECDIR)/waferd $(DESTDIR)$(USERUNITDIR) \
	  $(DESTDIR)$(DATADIR)/dbus-1/services $(DESTDIR)$(DATADIR)/dbus-1/interfaces
	$(INSTALL) -m 755 $(BUILT)/wafer $(DESTDIR)$(BINDIR)/
	$(INSTALL) -m 755 $(BUILT)/waferd $(BUILT)/wafer-keeper $(DESTDIR)$(LIBEXECDIR)/waferd/
	sed 's|@libexecdir@|$(LIBEXECDIR)|g' systemd/waferd.service >$(DESTDIR)$(USERUNITDIR)/waferd.service
	$(INSTALL) -m 644 systemd/waferd.socket $(DESTDIR)$(USERUNITDIR)/
	sed 's|@libexecdir@|$(LIBEXECDIR)|g' dbus/org.waferd.Wafer1.service \
	  >$(DESTDIR)$(DATADIR)/dbus-1/services/org.waferd.Wafer1.service
	$(INSTALL) -m 644 dbus/*.xml $(DESTDIR)$(DATADIR)/dbus-1/interfaces/
	@echo "install: done; 'systemctl --user daemon-reload' makes a running session see it"

uninstall:
	rm -rf $(DESTDIR)$(LIBEXECDIR)/waferd
	rm -f $(DESTDIR)$(BINDIR)/wafer $(DESTDIR)$(USERUNITDIR)/waferd.service $(DESTDIR)$(USERUNITDIR)/waferd.socket \
	  $(DESTDIR)$(DATADIR)/dbus-1/services/org.waferd.Wafer1.service \
	  $(DESTDIR)$(DATADIR)/dbus-1/interfaces/org.waferd.Wafer1*.xml

clean:
	cargo clean
