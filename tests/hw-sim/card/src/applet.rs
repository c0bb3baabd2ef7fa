//! The PIV applet of Nitrokey's firmware (`piv-authenticator`) on a Trussed platform whose flash is two files.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use iso7816::Status;
use piv_authenticator::{Authenticator, Options};
use trussed::backend::{Backend as _, BackendId};
use trussed::platform::Platform;
use trussed::serde_extensions::{ExtensionDispatch, ExtensionId, ExtensionImpl};
use trussed::service::ServiceResources;
use trussed::types::Context;
use trussed::virt::{self, StorageConfig, StoreConfig};
use trussed_auth::AuthExtension;
use trussed_auth_backend::{AuthBackend, AuthContext, FilesystemLayout};
use trussed_chunked::ChunkedExtension;
use trussed_core::Error;
use trussed_core::api::{Reply, Request, reply, request};
use trussed_core::types::Location;
use trussed_hpke::HpkeExtension;
use trussed_rsa_alloc::SoftwareRsa;
use trussed_staging::{StagingBackend, StagingContext};
use trussed_wrap_key_to_file::WrapKeyToFileExtension;

use crate::iso::Command;

/// Longest command and response data the applet handles.
const LONGEST: usize = 4096;
/// Files of the card's flash in its folder.
const INTERNAL: &str = "internal";
const EXTERNAL: &str = "external";

/// The applet, for the length of the closure that [`run`] calls.
pub(crate) struct Applet<'p>(Authenticator<virt::Client<'p, Dispatch>>);

/// Runs `work` with the applet whose flash lies in `folder` (made if it is not there).
pub(crate) fn run<R>(folder: &Path, work: impl FnOnce(Applet<'_>) -> R) -> R {
    let store = StoreConfig {
        internal: StorageConfig::filesystem(folder.join(INTERNAL)),
        external: StorageConfig::filesystem(folder.join(EXTERNAL)),
        volatile: StorageConfig::ram(),
    };
    virt::with_platform(store, |platform| {
        platform.run_client_with_backends("piv", Dispatch::new(), BACKENDS, |client| {
            work(Applet(Authenticator::new(client, Options::default())))
        })
    })
}

impl Applet<'_> {
    /// Executes a command that is whole (chains joined); the answer's data and its status word.
    pub(crate) fn execute(&mut self, command: &Command) -> (Vec<u8>, u16) {
        let mut reply = heapless::Vec::<u8, LONGEST>::new();
        let Ok(parsed) = iso7816::Command::<LONGEST>::try_from(&command.extended()) else {
            return (Vec::new(), 0x6700);
        };
        // The applet panics on algorithms that its platform lacks.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.0.respond(parsed.as_view(), &mut reply)));
        match outcome {
            Ok(Ok(())) => (reply.to_vec(), 0x9000),
            Ok(Err(status)) => (Vec::new(), status.into()),
            Err(_) => (Vec::new(), Status::UnspecifiedCheckingError.into()),
        }
    }

    /// Forgets that the PIN was verified: the applet's own `deselect` does nothing.
    pub(crate) fn shut(&mut self) {
        self.execute(&Command::new(0x20, 0xff, 0x80, &[]));
    }
}

const BACKENDS: &[BackendId<Backend>] = &[
    BackendId::Custom(Backend::Rsa),
    BackendId::Custom(Backend::Staging),
    BackendId::Custom(Backend::Auth),
    BackendId::Core,
];

/// What the platform is made of, beside Trussed's core.
#[derive(Debug)]
pub(crate) enum Backend {
    Rsa,
    Staging,
    Auth,
}

#[derive(Debug)]
pub(crate) enum Extension {
    Auth,
    Chunked,
    Hpke,
    WrapKeyToFile,
}

const EXTENSIONS: [Extension; 4] =
    [Extension::Auth, Extension::Chunked, Extension::Hpke, Extension::WrapKeyToFile];

impl From<Extension> for u8 {
    fn from(extension: Extension) -> Self {
        extension as Self
    }
}

impl TryFrom<u8> for Extension {
    type Error = Error;

    fn try_from(id: u8) -> Result<Self, Error> {
        EXTENSIONS.into_iter().nth(id.into()).ok_or(Error::FunctionNotSupported)
    }
}

pub(crate) struct Dispatch {
    auth: AuthBackend,
    staging: StagingBackend,
}

#[derive(Default)]
pub(crate) struct Contexts {
    auth: AuthContext,
    staging: StagingContext,
}

impl Dispatch {
    fn new() -> Self {
        Self {
            auth: AuthBackend::new(Location::Internal, FilesystemLayout::V1),
            staging: StagingBackend::new(),
        }
    }
}

impl ExtensionDispatch for Dispatch {
    type BackendId = Backend;
    type Context = Contexts;
    type ExtensionId = Extension;

    fn core_request<P: Platform>(
        &mut self,
        backend: &Backend,
        context: &mut Context<Contexts>,
        request: &Request,
        resources: &mut ServiceResources<P>,
    ) -> Result<Reply, Error> {
        let core = &mut context.core;
        match backend {
            Backend::Rsa => SoftwareRsa.request(core, &mut (), request, resources),
            Backend::Staging => self.staging.request(core, &mut context.backends.staging, request, resources),
            Backend::Auth => self.auth.request(core, &mut context.backends.auth, request, resources),
        }
    }

    fn extension_request<P: Platform>(
        &mut self,
        backend: &Backend,
        extension: &Extension,
        context: &mut Context<Contexts>,
        request: &request::SerdeExtension,
        resources: &mut ServiceResources<P>,
    ) -> Result<reply::SerdeExtension, Error> {
        let (core, contexts) = (&mut context.core, &mut context.backends);
        match (backend, extension) {
            (Backend::Auth, Extension::Auth) => {
                self.auth.extension_request_serialized(core, &mut contexts.auth, request, resources)
            }
            (Backend::Staging, Extension::Chunked) => {
                ExtensionImpl::<ChunkedExtension>::extension_request_serialized(
                    &mut self.staging,
                    core,
                    &mut contexts.staging,
                    request,
                    resources,
                )
            }
            (Backend::Staging, Extension::Hpke) => {
                ExtensionImpl::<HpkeExtension>::extension_request_serialized(
                    &mut self.staging,
                    core,
                    &mut contexts.staging,
                    request,
                    resources,
                )
            }
            (Backend::Staging, Extension::WrapKeyToFile) => {
                ExtensionImpl::<WrapKeyToFileExtension>::extension_request_serialized(
                    &mut self.staging,
                    core,
                    &mut contexts.staging,
                    request,
                    resources,
                )
            }
            _ => Err(Error::RequestNotAvailable),
        }
    }
}

impl ExtensionId<AuthExtension> for Dispatch {
    type Id = Extension;
    const ID: Extension = Extension::Auth;
}

impl ExtensionId<ChunkedExtension> for Dispatch {
    type Id = Extension;
    const ID: Extension = Extension::Chunked;
}

impl ExtensionId<HpkeExtension> for Dispatch {
    type Id = Extension;
    const ID: Extension = Extension::Hpke;
}

impl ExtensionId<WrapKeyToFileExtension> for Dispatch {
    type Id = Extension;
    const ID: Extension = Extension::WrapKeyToFile;
}
