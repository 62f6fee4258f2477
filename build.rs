//! Writes the list of the migrations, with the text of each, for `src/database/migration.rs`.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=migrations");
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("migrations");
    let mut migrations = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            migrations.push(path);
        }
    }
    migrations.sort();
    let mut list = String::from("&[\n");
    for path in migrations {
        let name = path.file_name().unwrap_or_default();
        let (up, down) = (path.join("up.sql"), path.join("down.sql"));
        writeln!(
            list,
            "Migration {{ name: {name:?}, up: include_str!({up:?}), down: include_str!({down:?}) }},"
        )?;
    }
    list.push(']');
    fs::write(Path::new(&env::var("OUT_DIR")?).join("migrations.rs"), list)?;
    Ok(())
}
