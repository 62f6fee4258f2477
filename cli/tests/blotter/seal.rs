//! Runs `blotter seal`, `verify`, `prove` and `verify-proof`, and checks their files.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use diesel::connection::SimpleConnection;
use tempfile::TempDir;
use tradeblotter::audit::{CheckpointFile, SealKey};
use tradeblotter::{Blotter, NewAction, NewExecutionLog, NewOrder, Side};

use tradeblotter_test_support::{Database, EXECUTED, append, submit, texts, trader};

/// A database with a few entries in it, and a directory for files.
struct Desk {
    directory: TempDir,
    blotter: Blotter,
    db: Database,
}

impl Desk {
    fn new() -> Self {
        let db = Database::migrated();
        let desk = Self { directory: TempDir::new().unwrap(), blotter: db.blotter(), db };
        desk.trade();
        desk
    }

    /// Adds three entries to the log.
    fn trade(&self) {
        let ada = trader(&self.blotter, "Ada");
        let order = submit(&self.blotter, &NewOrder::market(ada.id, Side::Buy, "AAPL", 1)).unwrap();
        append(&self.blotter, &NewExecutionLog::new(order.id, NewAction::Approved)).unwrap();
        append(&self.blotter, &NewExecutionLog::new(order.id, EXECUTED)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs the command in the directory of the files and returns its output.
    fn run(&self, arguments: &str, role: &str, code: i32) -> String {
        text(self.command(arguments, role).output().unwrap(), code)
    }

    fn command(&self, arguments: &str, role: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blotter"));
        command.args(arguments.split_whitespace()).stdin(Stdio::null());
        command.current_dir(self.directory.path()).env_remove("BLOTTER_SEAL_KEY");
        command.env("DATABASE_URL", self.db.login_url(role));
        command
    }

    fn seal(&self) -> String {
        self.run("seal --key key --checkpoint-file seals", "blotter_auditor", 0)
    }

    fn key(&self) -> String {
        self.run("key new key", "blotter_auditor", 0).trim().to_owned()
    }

    fn verify(&self, key: &str, code: i32) -> String {
        let arguments = format!("verify --public-key {key} --checkpoint-file seals");
        self.run(&arguments, "blotter_compliance", code)
    }
}

#[track_caller]
fn text(output: Output, code: i32) -> String {
    let said = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}\n{complaint}");
    said + &complaint
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap().lines().count()
}

#[test]
fn a_sealed_log_is_verified_and_proven_and_a_change_is_found() {
    let desk = Desk::new();
    let key = desk.key();
    let sealed = desk.seal();
    assert!(sealed.starts_with("seal 1: 3 entries, 1 to 3; "), "{sealed}");
    assert_eq!(desk.seal(), "");
    desk.trade();
    assert!(desk.seal().starts_with("seal 2: 3 entries, 4 to 6; "));
    desk.trade();
    assert_eq!(desk.verify(&key, 0), "2 seals, 6 entries: no findings; 3 entries not sealed yet\n");

    let id = "SELECT id::text AS text FROM execution_logs WHERE sequence = 5";
    let id = texts(&mut desk.db.admin(), id).remove(0);
    assert_eq!(desk.run(&format!("prove {id} -o proof"), "blotter_compliance", 0), "");
    let check = |key: &str, code| {
        let mut command =
            desk.command(&format!("verify-proof proof --public-key {key}"), "blotter_trader");
        text(command.env_remove("DATABASE_URL").output().unwrap(), code)
    };
    let proven = check(&key, 0);
    assert!(proven.starts_with("valid: entry 5 of the log, APPROVED of order "), "{proven}");
    assert!(proven.ends_with(&format!(", with seal 2\n  signed with {key}\n")), "{proven}");
    let stranger = SealKey::generate().unwrap().public().to_string();
    assert!(check(&stranger, 1).contains("not one of the given keys"));
    let forged = fs::read_to_string(desk.path("proof")).unwrap().replace("APPROVED", "REJECTED");
    fs::write(desk.path("proof"), forged).unwrap();
    assert!(check(&key, 1).contains("its leaf does not lead to the root"));

    let rewrite = "UPDATE execution_logs SET reason = 'never mind' WHERE sequence = 5";
    desk.db.unguarded().batch_execute(rewrite).unwrap();
    let found = desk.verify(&key, 1);
    assert!(found.starts_with(&format!("entry 5 ({id} of order ")), "{found}");
    assert!(found.contains(": altered; ") && found.contains("6 entries: 1 finding; "), "{found}");
    // Read only the entries of the second seal, then of later seals only.
    let from = |seal: &str, code| {
        desk.run(&format!("verify --public-key {key} --from {seal}"), "blotter_auditor", code)
    };
    assert!(from("2", 1).contains("2 seals, 3 entries: 1 finding"));
    assert!(from("3", 0).contains("2 seals, 0 entries: no findings"));
    assert!(from("2999-01-01", 0).contains("warning: no --checkpoint-file"));
    assert!(from("tomorrow", 2).contains("or the number of a seal"));
    let refused = desk.run(&format!("prove {id}"), "blotter_auditor", 1);
    assert!(refused.contains("can't be proven"), "{refused}");
}

#[test]
fn a_key_file_that_others_may_read_is_refused_and_none_is_overwritten() {
    let desk = Desk::new();
    let key = desk.key();
    let mode = fs::metadata(desk.path("key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(desk.run("key new key", "blotter_auditor", 1).contains("exists"));
    assert_eq!(desk.run("key show key", "blotter_auditor", 0).trim(), key);
    for loose in [0o640, 0o604, 0o620, 0o666] {
        fs::set_permissions(desk.path("key"), Permissions::from_mode(loose)).unwrap();
        let refused = desk.run("seal --key key", "blotter_auditor", 1);
        assert!(refused.contains(&format!("(mode {loose:o}); chmod 600 it")), "{refused}");
    }
    fs::set_permissions(desk.path("key"), Permissions::from_mode(0o600)).unwrap();
    let no_key = "BEGIN PRIVATE KEY: secret";
    fs::write(desk.path("key"), no_key).unwrap();
    let refused = desk.run("seal --key key", "blotter_auditor", 1);
    assert!(
        refused.contains("is not an Ed25519 private key") && !refused.contains("secret"),
        "{refused}"
    );
}

#[test]
fn a_key_comes_from_the_environment_too() {
    let desk = Desk::new();
    let key = desk.key();
    assert!(desk.run("seal", "blotter_auditor", 2).contains("Pass --key"));
    let mut command = desk.command("seal --checkpoint-file seals", "blotter_auditor");
    command.env("BLOTTER_SEAL_KEY", fs::read_to_string(desk.path("key")).unwrap());
    assert!(text(command.output().unwrap(), 0).starts_with("seal 1: 3 entries"));
    desk.verify(&key, 0);
}

#[test]
fn only_an_auditor_seals_and_only_auditor_and_compliance_verify() {
    let desk = Desk::new();
    let key = desk.key();
    for role in ["blotter_trader", "blotter_engine", "blotter_compliance"] {
        let refused = desk.run("seal --key key", role, 1);
        assert!(refused.contains("GRANT blotter_auditor TO"), "{refused}");
    }
    for role in ["blotter_trader", "blotter_engine"] {
        let refused = desk.run(&format!("verify --public-key {key}"), role, 1);
        assert!(refused.contains("GRANT blotter_auditor or blotter_compliance TO"), "{refused}");
    }
}

#[test]
fn seals_that_a_crash_kept_from_the_checkpoint_file_are_appended_by_the_next_run() {
    let desk = Desk::new();
    let key = desk.key();
    desk.seal();
    let first = fs::read(desk.path("seals")).unwrap();
    desk.trade();
    desk.seal();
    let both = fs::read(desk.path("seals")).unwrap();

    // Stopped before the line was written, and in the middle of it.
    for written in [first.clone(), [&first[..], b"{\"id\":2,\"sch"].concat()] {
        fs::write(desk.path("seals"), &written).unwrap();
        assert!(desk.verify(&key, 0).contains("the last seal is not in the checkpoint file yet"));
        assert_eq!(desk.seal(), "");
        assert_eq!(fs::read(desk.path("seals")).unwrap(), both);
    }
    // A new file gets all seals.
    fs::remove_file(desk.path("seals")).unwrap();
    desk.seal();
    assert_eq!(fs::read(desk.path("seals")).unwrap(), both);
    assert_eq!(CheckpointFile::read(&desk.path("seals")).unwrap().checkpoints().count(), 2);
}

#[test]
fn a_checkpoint_file_of_another_history_stops_sealing() {
    let desk = Desk::new();
    let key = desk.key();
    desk.seal();
    let other = Desk::new();
    fs::copy(desk.path("key"), other.path("key")).unwrap();
    other.seal();
    desk.trade();
    fs::copy(other.path("seals"), desk.path("seals")).unwrap();
    let refused = desk.run("seal --key key --checkpoint-file seals", "blotter_auditor", 1);
    assert!(refused.contains("seal 1 of seals is not the one that the database has"), "{refused}");
    let found = desk.verify(&key, 1);
    assert!(
        found.contains("seal 1: fork; the checkpoint file has a different seal with this number"),
        "{found}"
    );
    assert!(found.contains("3 entries not sealed yet"), "{found}");
    fs::write(desk.path("seals"), "{}\n").unwrap();
    assert!(desk.verify(&key, 1).contains("line 1 of seals is not a seal"));
}

#[test]
fn seal_every_seals_new_entries_and_locks_its_checkpoint_file() {
    let desk = Desk::new();
    let key = desk.key();
    let mut command =
        desk.command("seal --key key --checkpoint-file seals --every 20ms", "blotter_auditor");
    let mut sealer = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(sealer.stdout.take().unwrap()).lines();
    assert!(said.next().unwrap().unwrap().starts_with("seal 1: 3 entries"));
    let second = desk.run("seal --key key --checkpoint-file seals", "blotter_auditor", 1);
    assert!(second.contains("another process seals into this file"), "{second}");
    desk.trade();
    assert!(said.next().unwrap().unwrap().starts_with("seal 2: "));
    sealer.kill().unwrap();
    sealer.wait().unwrap();
    desk.seal();
    assert!(lines(&desk.path("seals")) >= 2);
    desk.verify(&key, 0);
}
