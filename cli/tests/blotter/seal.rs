//! Runs `blotter seal`, `verify`, `prove`, `verify-proof` and the commands of archives, and checks their files.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use diesel::connection::SimpleConnection;
use tempfile::TempDir;
use tradeblotter::audit::{CheckpointFile, SealKey};
use tradeblotter::{Blotter, NewAction, NewExecutionLog, NewOrder, Side, connect};

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

    /// Adds four records: a trader and three entries.
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
    assert!(sealed.starts_with("seal 1: 4 records, 1 to 4; 4 in the tree, root "), "{sealed}");
    assert_eq!(desk.seal(), "");
    desk.trade();
    assert!(desk.seal().starts_with("seal 2: 4 records, 5 to 8; 8 in the tree, root "));
    desk.trade();
    assert_eq!(
        desk.verify(&key, 0),
        "2 seals, 8 records, 3 orders: no findings; 4 records not sealed yet, with numbers from 9 to 12\n"
    );

    let id = "SELECT id::text AS text FROM execution_logs WHERE sequence = 7";
    let id = texts(&mut desk.db.admin(), id).remove(0);
    assert_eq!(desk.run(&format!("prove {id} -o proof"), "blotter_compliance", 0), "");
    let check = |key: &str, code| {
        let mut command =
            desk.command(&format!("verify-proof proof --public-key {key}"), "blotter_trader");
        text(command.env_remove("DATABASE_URL").output().unwrap(), code)
    };
    let proven = check(&key, 0);
    assert!(proven.starts_with("valid: record 7 of tradeblotter/"), "{proven}");
    assert!(proven.contains("\nentry:\n") && proven.contains("  action: APPROVED\n"), "{proven}");
    assert!(proven.ends_with(&format!(", with seal 2\nsigned with {key}\n")), "{proven}");
    let stranger = SealKey::generate().unwrap().public().to_string();
    assert!(check(&stranger, 1).contains("not signed with one of the given keys"));
    let forged = fs::read_to_string(desk.path("proof")).unwrap().replace("index 6", "index 7");
    fs::write(desk.path("proof"), forged).unwrap();
    assert!(check(&key, 1).contains("its leaf does not lead to the root"));

    let rewrite = "UPDATE execution_logs SET reason = 'never mind' WHERE sequence = 7";
    desk.db.unguarded().batch_execute(rewrite).unwrap();
    let found = desk.verify(&key, 1);
    let altered = format!("\nentry 7 ({id} of order ");
    assert!(found.contains(&altered) && found.contains(": altered; "), "{found}");
    assert!(
        found.contains("\nschema: trigger execution_logs.execution_logs_keep_values: "),
        "{found}"
    );
    // Read only the entries of the second seal, then of later seals only.
    let from = |seal: &str, code| {
        desk.run(&format!("verify --public-key {key} --from {seal}"), "blotter_auditor", code)
    };
    assert!(from("2", 1).contains("2 seals, 4 records, 3 orders: "));
    assert!(!from("3", 1).contains("altered"));
    assert!(from("2999-01-01", 1).contains("warning: no --checkpoint-file"));
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
    assert!(text(command.output().unwrap(), 0).starts_with("seal 1: 4 records"));
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
    for written in [first.clone(), [&first[..], b"\ntradeblotter/12"].concat()] {
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
    assert!(found.contains("4 records not sealed yet"), "{found}");
    fs::write(desk.path("seals"), "a\n\n— b c\n").unwrap();
    let found = desk.verify(&key, 1);
    assert!(found.contains("checkpoint file, line 1: the note has a line that is not"), "{found}");
}

#[test]
fn seal_every_seals_new_entries_and_locks_its_checkpoint_file() {
    let desk = Desk::new();
    let key = desk.key();
    let mut command =
        desk.command("seal --key key --checkpoint-file seals --every 20ms", "blotter_auditor");
    let mut sealer = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(sealer.stdout.take().unwrap()).lines();
    assert!(said.next().unwrap().unwrap().starts_with("seal 1: 4 records"));
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

/// Ends the connections of a login, as a restart of the server does.
fn disconnect(desk: &Desk, login: &str) {
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND usename LIKE '%{login}%'"
    );
    desk.db.admin().batch_execute(&end).unwrap();
}

#[test]
fn a_sealer_that_loses_its_connection_goes_on_with_another() {
    let desk = Desk::new();
    let key = desk.key();
    let mut command =
        desk.command("seal --key key --checkpoint-file seals --every 20ms", "blotter_auditor");
    let mut sealer = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(sealer.stdout.take().unwrap()).lines();
    for seal in 1..=4 {
        assert!(said.next().unwrap().unwrap().starts_with(&format!("seal {seal}: 4 records")));
        disconnect(&desk, "auditor");
        desk.trade();
    }
    sealer.kill().unwrap();
    sealer.wait().unwrap();
    desk.seal();
    desk.verify(&key, 0);
}

#[test]
fn two_sealers_at_once_go_on_and_each_record_is_sealed_once() {
    let desk = Desk::new();
    let key = desk.key();
    let start = |arguments: &str| {
        desk.command(arguments, "blotter_auditor").stdout(Stdio::null()).spawn().unwrap()
    };
    let mut sealers = [start("seal --key key --every 1ms"), start("seal --key key --every 1ms")];
    for _ in 0..20 {
        desk.trade();
    }
    for sealer in &mut sealers {
        assert_eq!(sealer.try_wait().unwrap(), None, "still running");
        sealer.kill().unwrap();
        sealer.wait().unwrap();
    }
    desk.seal();
    let verified = desk.verify(&key, 0);
    assert!(verified.contains(" 84 records, 21 orders: no findings; 0 records not"), "{verified}");
}

#[test]
fn a_seal_fails_and_names_the_transaction_that_keeps_it_from_settling() {
    let desk = Desk::new();
    let key = desk.key();
    let mut writer = connect(&desk.db.login_url("blotter_engine")).unwrap();
    let write = "BEGIN; SET LOCAL ROLE blotter_engine;
        INSERT INTO traders (id, name) VALUES (gen_random_uuid(), 'Bob')";
    writer.batch_execute(write).unwrap();
    desk.seal();
    desk.trade();
    let arguments = "seal --key key --checkpoint-file seals --max-stall 0s";
    let stalled = desk.run(arguments, "blotter_auditor", 1);
    assert!(stalled.contains("none is settled"), "{stalled}");
    assert!(stalled.contains("process ") && stalled.contains("pg_terminate_backend"), "{stalled}");
    // Everything that is committed is sealed all the same.
    let verified = desk.verify(&key, 0);
    assert!(verified.contains("0 records not sealed yet"), "{verified}");
    drop(writer);
    desk.trade();
    desk.run(arguments, "blotter_auditor", 0);
}

#[test]
fn the_last_checkpoint_and_the_request_to_a_witness_are_printed() {
    let desk = Desk::new();
    let key = desk.key();
    let nothing = desk.run("checkpoint", "blotter_compliance", 1);
    assert!(nothing.contains("nothing is sealed yet"), "{nothing}");
    desk.run("seal --key key --origin example.com/blotter", "blotter_auditor", 0);
    desk.trade();
    desk.seal();
    let checkpoint = desk.run("checkpoint", "blotter_compliance", 0);
    assert!(checkpoint.starts_with("example.com/blotter\n8\n"), "{checkpoint}");
    let request = desk.run("checkpoint --old-size 4", "blotter_auditor", 0);
    assert!(request.starts_with("old 4\n") && request.ends_with(&checkpoint), "{request}");
    let named = desk.run("key show key --origin example.com/blotter", "blotter_trader", 0);
    assert!(named.starts_with("example.com/blotter+"), "{named}");
    assert_eq!(desk.run("key show key", "blotter_trader", 0).trim(), key);
}

/// Returns the commands under this heading of docs/operations.md.
fn documented(heading: &str) -> String {
    let document = include_str!("../../../docs/operations.md");
    let (_, section) = document.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, block) = section.split_once("\n```sh\n").unwrap();
    block.split_once("\n```\n").unwrap().0.to_owned()
}

#[test]
fn the_documented_commands_lead_from_a_key_to_a_verified_proof() {
    let desk = Desk::new();
    let commands = documented("From a fresh database to a verified proof");
    assert!(commands.lines().count() <= 10);
    let programs = Path::new(env!("CARGO_BIN_EXE_blotter")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-euc", &commands]).current_dir(desk.directory.path()).stdin(Stdio::null());
    shell.env("PATH", path).env_remove("DATABASE_URL").env_remove("BLOTTER_SEAL_KEY");
    shell.env("SEALER", desk.db.login_url("blotter_auditor"));
    shell.env("OFFICER", desk.db.login_url("blotter_compliance"));
    let said = text(shell.output().unwrap(), 0);
    assert!(said.contains("1 seal, 4 records, 1 order: no findings"), "{said}");
    assert!(said.contains("valid: record 4 of example.com/blotter"), "{said}");
    assert!(desk.path("entry.tlog-proof").exists());
}

#[test]
fn a_junk_seal_is_removed_as_documented_and_sealing_continues() {
    let desk = Desk::new();
    let key = desk.key();
    desk.seal();
    let junk = "SET ROLE blotter_auditor; INSERT INTO seals SELECT (jsonb_populate_record(original,
        jsonb_build_object('id', 2, 'size', size + 1, 'covered', '{[900,901)}', 'leaves', '\\x' || repeat('ab', 32))
        )).* FROM seals AS original; RESET ROLE";
    connect(&desk.db.login_url("blotter_auditor")).unwrap().batch_execute(junk).unwrap();
    desk.trade();
    let refused = desk.run("seal --key key --checkpoint-file seals", "blotter_auditor", 1);
    assert!(
        refused.contains("seal 2, inserted by ") && refused.contains("does not match"),
        "{refused}"
    );
    let document = include_str!("../../../docs/operations.md");
    let (_, section) = document.split_once("\n## If a seal stops the sealer\n").unwrap();
    let (_, block) = section.split_once("\n```sql\n").unwrap();
    let remove = block.split_once("\n```\n").unwrap().0.replace("17", "2");
    desk.db.admin().batch_execute(&remove).unwrap();
    assert!(desk.seal().starts_with("seal 2: 4 records"));
    assert!(desk.verify(&key, 0).contains("2 seals, 8 records, 2 orders: no findings"));
}

#[test]
fn what_has_ended_is_archived_removed_verified_and_restored() {
    let desk = Desk::new();
    let key = desk.key();
    desk.seal();
    let archive = format!("archive --before 2999-01-01 -o old.archive --public-key {key}");
    let none = desk.run(&archive, "blotter_auditor", 0);
    assert!(none.starts_with("note: nothing that may leave was written before 2999"), "{none}");
    assert!(!desk.path("old.archive").exists());

    let bob = trader(&desk.blotter, "Bob");
    let order = submit(&desk.blotter, &NewOrder::market(bob.id, Side::Buy, "AAPL", 1)).unwrap();
    append(&desk.blotter, &NewExecutionLog::new(order.id, NewAction::Cancelled)).unwrap();
    desk.seal();
    let written = desk.run(&archive, "blotter_compliance", 0);
    let holds = "2 records of 1 order written before 2999-01-01 00:00:00 UTC; SHA-256 ";
    assert!(written.starts_with(&format!("old.archive: {holds}")), "{written}");
    assert!(desk.run(&archive, "blotter_auditor", 1).contains("nothing is overwritten"));

    // Without a database.
    let check = |arguments: &str, code| {
        let mut command = desk.command(arguments, "blotter_trader");
        text(command.env_remove("DATABASE_URL").output().unwrap(), code)
    };
    let valid = format!("verify-archive old.archive --public-key {key} --checkpoint-file seals");
    let valid = check(&valid, 0);
    assert!(valid.starts_with(&format!("valid: {holds}")), "{valid}");
    assert!(valid.contains("\nleads to seal 2 of tradeblotter/"), "{valid}");
    assert!(valid.ends_with(&format!("signed with {key}\n")), "{valid}");
    let stranger = SealKey::generate().unwrap().public();
    let refused = check(&format!("verify-archive old.archive --public-key {stranger}"), 1);
    assert!(refused.contains("not signed with one of the given keys"), "{refused}");

    let as_superuser = |arguments: &str, code| {
        let mut command = desk.command(arguments, "blotter_trader");
        text(command.env("DATABASE_URL", desk.db.admin_url()).output().unwrap(), code)
    };
    let remove = format!("remove-archived old.archive --public-key {key}");
    let refused = desk.run(&remove, "blotter_auditor", 1);
    assert!(refused.contains("needs a superuser"), "{refused}");
    let removed = as_superuser(&remove, 0);
    assert!(
        removed.starts_with("archive ") && removed.contains(": 2 records written before "),
        "{removed}"
    );
    desk.seal();
    let verified = desk.verify(&key, 0);
    assert!(verified.starts_with(&removed), "{verified}");
    assert!(
        verified.contains(
            "3 seals, 6 records and 2 archived, 1 order: no findings; 0 records not sealed yet\n"
        ),
        "{verified}"
    );
    assert!(verified.contains("warning: no --archive-file"), "{verified}");
    let with_file =
        format!("verify --public-key {key} --checkpoint-file seals --archive-file old.archive");
    let verified = desk.run(&with_file, "blotter_auditor", 0);
    assert!(!verified.contains("warning"), "{verified}");

    let restored = as_superuser(&format!("restore-archive old.archive --public-key {key}"), 0);
    assert!(restored.starts_with(&format!("restored: {holds}")), "{restored}");
    let verified = desk.run(&with_file, "blotter_auditor", 0);
    assert!(verified.contains("3 seals, 8 records, 2 orders: no findings"), "{verified}");
    // Read in another database.
    let script = "blotter=$0; set -e; \
                  $blotter migrate run >&2; export DATABASE_URL=$SUPERUSER_URL; \
                  $blotter restore-archive old.archive --public-key $1 >&2; \
                  $blotter report --from 2000-01-01 --until 2999-01-01 --format csv -o day.csv; $blotter rebuild --check";
    let mut sandbox = desk.command("sandbox --", "blotter_trader");
    let shell = ["/bin/sh", "-c", script, env!("CARGO_BIN_EXE_blotter"), &key];
    text(sandbox.args(shell).output().unwrap(), 0);
    let day = fs::read_to_string(desk.path("day.csv")).unwrap();
    assert_eq!(day.lines().count(), 3, "{day}");
    assert!(day.contains(&order.id.to_string()) && day.contains(",Bob,"), "{day}");
    // The file of another archive, or a damaged one.
    fs::write(desk.path("old.archive"), "{}\n").unwrap();
    let found = desk.run(&with_file, "blotter_auditor", 1);
    assert!(found.contains("the first line is not the header of an archive"), "{found}");
    assert!(found.contains("none of the given files has its SHA-256"), "{found}");
}
