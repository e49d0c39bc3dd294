//! The schema is embedded from `sql/`; a file added there must lead to a new build.

fn main() {
    println!("cargo:rerun-if-changed=../../sql");
}
