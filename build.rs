//! `embed_migrations!` reads the folder at compile time, and Cargo can't know that by itself.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
