//! Names on the bus. They are the contract: within `1` they only grow.

/// Well-known bus name of the service.
pub const BUS_NAME: &str = "org.waferd.Wafer1";
/// The root object: `Mail`, `Cms`, `ObjectManager`.
pub const ROOT_PATH: &str = "/org/waferd/Wafer1";
/// Tokens appear below this path, one object each.
pub const TOKEN_PATH_PREFIX: &str = "/org/waferd/Wafer1/token";
/// Identities appear below this path, one object each.
pub const IDENTITY_PATH_PREFIX: &str = "/org/waferd/Wafer1/identity";
/// Every error of the service is `org.waferd.Wafer1.Error.<kind>`.
pub const ERROR_PREFIX: &str = "org.waferd.Wafer1.Error.";
/// The private socket, relative to `$XDG_RUNTIME_DIR`.
pub const PRIVATE_SOCKET: &str = "waferd/bus";
/// The most bytes a message may have to travel inline (`ay`) instead of by descriptor.
pub const INLINE_MAX: usize = 64 * 1024;
