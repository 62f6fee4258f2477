//! `blotter desk move`: moves a desk to another server, step by step.
//!
//! Each step looks at what is there before it does anything, so that the command can be run again after it was stopped. The
//! comments on the two schemas ([`Moving`]) tell a copy that is not in use from a desk at work.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use diesel::prelude::*;
use tradeblotter::audit::{
    CheckpointFile, CheckpointWriter, PublicKey, SealKey, SealOptions, VerifyEvent, VerifyOptions,
};
use tradeblotter::harden::{self, Hardening};
use tradeblotter::role::{self, Auditor, Engine};
use tradeblotter::{Blotter, Desk, Login, Moving, Place, migrations};

use super::copy::copy;
use crate::database::Database;
use crate::failure::Failure;
use crate::output::counted;
use crate::terminal::Output;

#[derive(Args)]
pub struct Relocation {
    /// Name of the desk
    #[arg(value_name = "DESK", value_parser = Desk::new)]
    name: Desk,
    /// URL of a superuser on the server that the desk moves to
    #[arg(long, value_name = "URL", hide_env_values = true)]
    to: String,
    /// URL with which backends connect to the desk there, for the fleet file
    #[arg(long, value_name = "URL")]
    writer: Option<String>,
    /// URL of a replica there for those who only read, for the fleet file
    #[arg(long, value_name = "URL", requires = "writer")]
    reader: Option<String>,
    /// Key file with which what is not sealed yet is sealed before the copy [default: it is sealed after the move]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key: Option<PathBuf>,
    /// Checkpoint file to append the seal to, and to verify the copy with
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    checkpoint_file: Option<PathBuf>,
    /// Public key that seals may be signed with; may be repeated [default: that of --key]
    #[arg(long = "public-key", value_name = "KEY")]
    public_keys: Vec<PublicKey>,
    /// Drop the copy and open the old desk again
    #[arg(long, conflicts_with_all = ["writer", "reader", "key", "checkpoint_file", "public_keys"])]
    undo: bool,
}

/// The two ends of a move, each as a superuser.
struct Ends<'a> {
    desk: &'a Desk,
    from_url: String,
    to_url: &'a str,
    /// The server that the desk leaves; if Citus holds the desk, the coordinator.
    from: PgConnection,
    to: PgConnection,
}

impl Relocation {
    pub fn run(&self, database: &Database, out: &mut Output) -> Result<(), Failure> {
        let mut fleet = database.fleet()?;
        let from_url = database.given_url()?;
        let mut ends = Ends {
            desk: &self.name,
            from: superuser(&from_url)?,
            to: superuser(&self.to)?,
            from_url,
            to_url: &self.to,
        };
        if self.undo {
            return ends.undo(out);
        }
        if fleet.is_some() && self.writer.is_none() {
            return Err(Failure::Usage(
                "--fleet needs --writer, the new URL for the fleet file".to_owned(),
            ));
        }
        let key = self.key.as_deref().map(SealKey::read).transpose()?;
        if self.name.moving(&mut ends.from)? != Some(Moving::Left) {
            ends.prepare()?;
            ends.close(key.as_ref(), self.checkpoint_file.as_deref(), out)?;
            ends.copy(out)?;
            ends.check(&self.verify_options(key.as_ref())?, out)?;
            for url in self.writer.iter().chain(&self.reader) {
                self.check_login(url)?;
            }
            self.name.set_moving(&mut ends.from, Some(Moving::Left))?;
            step(out, "the old desk is marked as left")?;
        }
        ends.take_into_use(out)?;
        if let (Some(fleet), Some(writer)) = (&mut fleet, &self.writer) {
            fleet
                .set(&self.name, &Place { writer: writer.clone(), reader: self.reader.clone() })?;
            step(out, "the fleet file has the new URLs")?;
        }
        step(
            out,
            &format!("desk {} has moved; the old one stays closed and may be dropped", self.name),
        )
    }

    /// Checks that a login which backends are to use can use the copy.
    fn check_login(&self, url: &str) -> Result<(), Failure> {
        let mut conn = tradeblotter::connect(url)?;
        let login = Login::of(&mut conn)?;
        let entered = self.name.enter(&mut conn).and_then(|()| Login::of(&mut conn));
        if entered.is_ok_and(|login| !login.roles.is_empty()) {
            return Ok(());
        }
        Err(failed(format!(
            "login {name} of the new URL is no member of a role of desk {desk}; GRANT it one, for example {role}, and \
             run the command again",
            name = login.name,
            desk = self.name,
            role = self.name.role::<Engine>()
        )))
    }

    fn verify_options(&self, key: Option<&SealKey>) -> Result<VerifyOptions, Failure> {
        let mut public_keys = self.public_keys.clone();
        public_keys.extend(key.filter(|_| public_keys.is_empty()).map(SealKey::public));
        let checkpoint_file =
            self.checkpoint_file.as_deref().map(CheckpointFile::read).transpose()?;
        Ok(VerifyOptions { public_keys, checkpoint_file, ..VerifyOptions::default() })
    }
}

impl Ends<'_> {
    /// Looks at both ends before the desk is closed. On the nodes of Citus, adds what is missing first.
    fn prepare(&mut self) -> Result<(), Failure> {
        let desk = self.desk;
        desk.enter(&mut self.from)?;
        migrations::require(&mut self.from)?;
        if desk.holder(&mut self.from)?.is_some() {
            desk.complete(&self.from_url)?;
        }
        // A superuser restores the copy, so that whatever the owner has planted in the schema would run as one.
        let planted = desk.strangers(&mut self.from)?;
        if !planted.is_empty() {
            return Err(failed(format!(
                "the schema of desk {desk} is not as this build expects, or holds more than the blotter; mend it or move that \
                 away first: {}",
                planted.join("; ")
            )));
        }
        if desk.exists(&mut self.to)? && desk.moving(&mut self.to)? != Some(Moving::Arriving) {
            return Err(failed(format!(
                "the other server has a desk {desk} that is no copy of this one"
            )));
        }
        let owner = desk.owner(&mut self.from)?;
        if !role::exists(&mut self.to, &owner)? {
            return Err(failed(format!(
                "the other server has no role {owner}, which owns the tables; CREATE ROLE {owner} there"
            )));
        }
        Ok(())
    }

    /// Closes the old desk, and seals what is not sealed yet.
    fn close(
        &mut self,
        key: Option<&SealKey>,
        checkpoints: Option<&std::path::Path>,
        out: &mut Output,
    ) -> Result<(), Failure> {
        let desk = self.desk;
        desk.set_moving(&mut self.from, Some(Moving::Leaving))?;
        let ended = desk.close(&self.from_url)?;
        let sessions = counted(ended as u64, "session was ended", "sessions were ended");
        step(out, &format!("desk {desk} is closed to writers; {sessions}"))?;
        let closed_to_sealers = desk.is_closed_to::<Auditor>(&mut self.from)?;
        // The copy is of the moment after the last seal. A seal that is made here later would be another one.
        if let Some(key) = key.filter(|_| !closed_to_sealers) {
            let auditor = self.store(&self.from_url)?.auditor();
            let options = SealOptions::default();
            let mut seals = 0;
            while auditor.transaction(|tx| tx.seals().seal(key, &options))?.seal.is_some() {
                seals += 1;
            }
            if let Some(file) = checkpoints {
                CheckpointWriter::open(file, vec![key.public()])?.append_new(&auditor)?;
            }
            step(
                out,
                &format!("everything is sealed; {}", counted(seals, "new seal", "new seals")),
            )?;
        }
        desk.close_to_sealers(&self.from_url)?;
        step(out, &format!("desk {desk} is closed to sealers"))
    }

    /// Copies the desk, unless the copy is there already.
    fn copy(&mut self, out: &mut Output) -> Result<(), Failure> {
        let desk = self.desk;
        if !desk.exists(&mut self.to)? {
            desk.create_roles_for_restore(&mut self.to)?;
            // If Citus holds the desk, the coordinator has its whole schema, and the holder its rows.
            let holder = desk.holder(&mut self.from)?;
            let rows_url = holder.map(|holder| holder.url(&self.from_url));
            copy(desk, &self.from_url, rows_url.as_deref(), self.to_url)?;
        }
        desk.enter(&mut self.to)?;
        let here = Desk::rows(&mut desk.connect(&self.from_url)?)?;
        let there = Desk::rows(&mut self.to)?;
        if here != there {
            return Err(failed(format!(
                "the copy differs from the desk: {there:?} there, {here:?} here; run the command with --undo, then again"
            )));
        }
        let rows = [
            counted(here.orders as u64, "order", "orders"),
            counted(here.fills as u64, "fill", "fills"),
            counted(here.entries as u64, "log entry", "log entries"),
        ];
        step(out, &format!("the copy has every row: {}", rows.join(", ")))
    }

    /// Opens the copy, hardens it if the old desk is hardened, and checks it.
    fn check(&mut self, options: &VerifyOptions, out: &mut Output) -> Result<(), Failure> {
        self.desk.open(&mut self.to)?;
        if harden::state(&mut self.from)? != Hardening::Off {
            harden::install(&mut self.to)?;
        }
        let auditor = self.store(self.to_url)?.auditor();
        let verified = auditor.snapshot(|tx| {
            tx.seals().verify(options, |event| {
                if let VerifyEvent::Found(finding) = event {
                    // A closed output must not change the exit code.
                    let _ = writeln!(out, "{finding}");
                }
            })
        })?;
        if verified.findings > 0 {
            return Err(failed(format!(
                "the copy is not right: {}; run the command with --undo, and verify the desk where it is",
                counted(verified.findings, "finding", "findings")
            )));
        }
        let records = counted(verified.records, "record", "records");
        step(out, &format!("the copy is right: its schema, {records}, and every order"))
    }

    /// Takes the copy into use.
    fn take_into_use(&mut self, out: &mut Output) -> Result<(), Failure> {
        if !self.desk.exists(&mut self.to)? {
            return Err(failed(format!(
                "desk {} has left this server, but not for the one that is given with --to",
                self.desk
            )));
        }
        if self.desk.moving(&mut self.to)? == Some(Moving::Arriving) {
            self.desk.set_moving(&mut self.to, None)?;
            step(out, "the copy is in use")?;
        }
        Ok(())
    }

    /// Drops the copy and opens the old desk.
    fn undo(&mut self, out: &mut Output) -> Result<(), Failure> {
        let desk = self.desk;
        let has_left = desk.moving(&mut self.from)? == Some(Moving::Left);
        if has_left && desk.moving(&mut self.to)? != Some(Moving::Arriving) {
            return Err(failed(format!(
                "desk {desk} has moved, and the other server may have new rows; move it back instead"
            )));
        }
        if desk.drop_copy(&mut self.to)? {
            step(out, "the copy is dropped")?;
        }
        desk.set_moving(&mut self.from, None)?;
        desk.open(&mut self.from)?;
        step(out, &format!("desk {desk} is open where it was"))
    }

    fn store(&self, url: &str) -> Result<Blotter, Failure> {
        Ok(Blotter::builder(url).desk(self.desk.name()).connect()?)
    }
}

/// Connects as a superuser.
fn superuser(url: &str) -> Result<PgConnection, Failure> {
    let mut conn = tradeblotter::connect(url)?;
    let login = Login::of(&mut conn)?;
    if login.superuser {
        return Ok(conn);
    }
    Err(failed(format!(
        "login {} is no superuser: to move a desk, all rows must be read and functions be given to blotter_ledger",
        login.name
    )))
}

/// Prints a step that is done, before the next one begins.
fn step(out: &mut Output, what: &str) -> Result<(), Failure> {
    writeln!(out, "{what}")?;
    Ok(out.flush()?)
}

fn failed(why: String) -> Failure {
    Failure::Failed(Some(why))
}
