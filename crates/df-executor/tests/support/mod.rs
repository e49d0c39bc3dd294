//! What the tests of this crate share.

#![allow(dead_code)]

pub mod cluster;
pub mod database;
pub mod proxy;
pub mod steps;
