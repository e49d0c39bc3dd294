//! What the crate promises, through its public interface, against servers written here.
//!
//! Nothing leaves the machine: names resolve through tables, and servers listen on loopback.

mod exchange;
mod never_panics;
mod policy;
mod support;
mod tls;
mod wire;
