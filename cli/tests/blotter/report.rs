//! Runs `blotter report` and checks the files that it writes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use diesel::connection::SimpleConnection;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tradeblotter::Filter;
use tradeblotter::audit::{SealKey, SealOptions};
use tradeblotter::report::{Format, Manifest, Report};

use tradeblotter_test_support::{Database, submit, texts, trader};
use tradeblotter_test_support::{amended_order, trading_day};

/// Runs the command in this directory and returns its output.
#[track_caller]
fn report(db: &Database, directory: &TempDir, arguments: &str, role: &str, code: i32) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blotter"));
    command.arg("report").args(arguments.split_whitespace()).stdin(Stdio::null());
    command.current_dir(directory).env("DATABASE_URL", db.login_url(role));
    let output = command.output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

fn names(directory: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into()).collect();
    names.sort();
    names
}

fn manifest(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(Manifest::path(path)).unwrap()).unwrap()
}

#[test]
fn a_manifest_has_the_hash_of_its_file_and_the_seal_that_covers_it() {
    let (db, order) = amended_order();
    let directory = TempDir::new().unwrap();
    let range = "--from 2020-01-01 --until 2100-01-01";
    for (place, format) in Format::ALL.iter().enumerate() {
        let arguments = format!("{range} --format {format} -o file{place} --symbol AAPL");
        let said = report(&db, &directory, &arguments, "blotter_compliance", 0);
        assert!(said.contains(": 8 rows of 1 order; 0 sealed, 8 not sealed yet"), "{said}");
        let path = directory.path().join(format!("file{place}"));
        let manifest = manifest(&path);
        let file = &manifest["files"][0];
        let bytes = fs::read(&path).unwrap();
        assert_eq!(file["sha256"], hex::encode(Sha256::digest(&bytes)));
        assert!(said.contains(file["sha256"].as_str().unwrap()), "{said}");
        assert_eq!(
            (&file["bytes"], &file["name"]),
            (&bytes.len().into(), &format!("file{place}").into())
        );
        assert_eq!((&manifest["rows"], &manifest["first_sequence"]), (&8.into(), &2.into()));
        assert_eq!(
            (&manifest["last_sequence"], &manifest["actions"]["FILLED"]),
            (&9.into(), &3.into())
        );
        assert_eq!(manifest["filter"]["symbol"], "AAPL");
        assert_eq!(manifest["sealed"]["last_seal"], Value::Null);
    }
    assert_eq!(names(&directory).len(), 2 * Format::ALL.len());

    // Seal the rows, then add one that is not sealed.
    let blotter = db.blotter();
    let key = SealKey::generate().unwrap();
    let options = SealOptions::default();
    let sealing = blotter.auditor().transaction(|tx| tx.seals().seal(&key, &options));
    let seal = sealing.unwrap().seal.unwrap();
    let bob = trader(&blotter, "Bob");
    let new = tradeblotter::NewOrder::market(bob.id, tradeblotter::Side::Buy, "AAPL", 1);
    submit(&blotter, &new).unwrap();
    report(&db, &directory, &format!("{range} --format csv -o sealed"), "blotter_compliance", 0);
    let sealed = &manifest(&directory.path().join("sealed"))["sealed"];
    assert_eq!((&sealed["rows"], &sealed["unsealed_rows"]), (&8.into(), &1.into()));
    assert_eq!((&sealed["first_unsealed"], &sealed["first_seal"]), (&11.into(), &1.into()));
    assert_eq!(sealed["last_seal"], serde_json::to_value(&seal).unwrap());
    // A seal that is signed with another key, or with none, is not called a seal.
    let trusting = |key: &str, name: &str, code| {
        let arguments = format!("{range} --format csv -o {name} --public-key {key}");
        report(&db, &directory, &arguments, "blotter_compliance", code)
    };
    trusting(&key.public().to_string(), "trusted", 0);
    let another = SealKey::generate().unwrap().public().to_string();
    let refused = trusting(&another, "another", 1);
    assert!(refused.contains("not one of the given keys"), "{refused}");
    let of_ada = format!("{range} --format csv -o ada --trader {}", order.trader_id);
    let said = report(&db, &directory, &of_ada, "blotter_compliance", 0);
    assert!(said.contains("8 sealed, 0 not sealed yet"), "{said}");
}

#[test]
fn a_report_that_fails_leaves_no_file_and_no_file_is_overwritten() {
    let db = trading_day();
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("day.csv");
    let officer = db.blotter().compliance();
    let whole = Report { filter: Filter::default(), format: Format::Csv, public_keys: &[] };
    // A file with the name of the manifest is enough for a refusal.
    fs::write(Manifest::path(&path), "mine").unwrap();
    assert!(whole.write(&officer, &path, |_, _| ()).unwrap_err().is_file());
    assert_eq!(names(&directory), [PathBuf::from("day.csv.manifest.json")]);
    fs::remove_file(Manifest::path(&path)).unwrap();
    fs::write(&path, "mine").unwrap();
    let taken = whole.write(&officer, &path, |_, _| ()).unwrap_err();
    assert!(taken.is_file() && taken.to_string().contains("choose another name"), "{taken}");
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    assert_eq!(names(&directory), [PathBuf::from("day.csv")]);
    fs::remove_file(&path).unwrap();
    let nowhere = directory.path().join("nowhere").join("day.csv");
    assert!(whole.write(&officer, &nowhere, |_, _| ()).unwrap_err().is_file());

    // An order that was removed by force is noticed when most of the file has been written.
    let remove = "SET session_replication_role = replica;
        DELETE FROM orders WHERE id = (SELECT order_id FROM execution_logs ORDER BY sequence DESC LIMIT 1)";
    db.unguarded().batch_execute(remove).unwrap();
    for format in Format::ALL {
        let whole = Report { filter: Filter::default(), format: *format, public_keys: &[] };
        let failed = whole.write(&officer, &path, |_, _| ()).unwrap_err();
        assert!(failed.is_unproven(), "{failed}");
        assert_eq!(names(&directory), [] as [PathBuf; 0]);
    }
}

#[test]
fn a_report_is_for_its_owner_only_whatever_the_umask_and_follows_no_link() {
    let (db, _) = amended_order();
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    let arguments =
        |name: &str| format!("--from 2026-01-01 --until 2100-01-01 --format csv -o {name}");
    for (place, (umask, mode)) in
        [("0000", 0o600), ("0022", 0o600), ("0277", 0o400)].into_iter().enumerate()
    {
        let (name, blotter) = (format!("day{place}"), env!("CARGO_BIN_EXE_blotter"));
        let shell = format!("umask {umask}; exec {blotter} report {}", arguments(&name));
        let mut command = Command::new("sh");
        command.args(["-c", &shell]).current_dir(&directory);
        command.env("DATABASE_URL", db.login_url("blotter_compliance"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        for path in [at(&name), Manifest::path(&at(&name))] {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{path:?}");
        }
    }
    let before = names(&directory);
    symlink(at("elsewhere"), at("dangling")).unwrap();
    symlink(at("elsewhere"), Manifest::path(&at("linked"))).unwrap();
    for name in ["dangling", "linked"] {
        let refused = report(&db, &directory, &arguments(name), "blotter_compliance", 1);
        assert!(refused.contains("nothing is overwritten; choose another name"), "{refused}");
    }
    assert_eq!(names(&directory).len(), before.len() + 2);
}

#[test]
fn a_report_waits_for_its_snapshot_only_so_long_and_says_who_blocks_it() {
    let (db, _) = amended_order();
    let directory = TempDir::new().unwrap();
    let arguments = "--from 2026-01-01 --until 2100-01-01 --format csv -o day.csv --wait 1s";
    let mut idle = db.admin();
    idle.batch_execute("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1").unwrap();
    let pid = texts(&mut idle, "SELECT pg_backend_pid()::text AS text").remove(0);
    let refused = report(&db, &directory, arguments, "blotter_compliance", 1);
    assert!(refused.starts_with("blotter: no safe snapshot within 1s"), "{refused}");
    assert!(refused.contains(&format!("process {pid} of login ")), "{refused}");
    assert_eq!(names(&directory), [] as [PathBuf; 0]);
    idle.batch_execute("COMMIT").unwrap();
    report(&db, &directory, &arguments.replace("1s", "60s"), "blotter_compliance", 0);
}

#[test]
fn only_compliance_gets_a_report() {
    let (db, _) = amended_order();
    let directory = TempDir::new().unwrap();
    let day = "--from 2026-01-01 --until 2100-01-01 --format csv -o day.csv";
    for role in ["blotter_trader", "blotter_engine", "blotter_auditor"] {
        let refused = report(&db, &directory, day, role, 1);
        assert!(refused.contains("GRANT blotter_compliance TO"), "{refused}");
    }
    let backwards = "--from 2026-01-02 --until 2026-01-02 --format csv -o day.csv";
    let refused = report(&db, &directory, backwards, "blotter_compliance", 2);
    assert!(refused.contains("--from must be before --until"), "{refused}");
    assert_eq!(names(&directory), [] as [PathBuf; 0]);
}
