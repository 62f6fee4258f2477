//! The measurements as tables, to read and to plot, and the goals.

use std::fs;
use std::path::Path;

use crate::clients::Outcome;

/// A table of measurements.
pub struct Table {
    name: &'static str,
    headings: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(name: &'static str, headings: &'static [&'static str]) -> Self {
        Self { name, headings, rows: vec![] }
    }

    /// Adds a row and prints it, because a full run takes long.
    pub fn add(&mut self, row: impl IntoIterator<Item = String>) {
        let row: Vec<_> = row.into_iter().collect();
        println!("{}: {}", self.name, self.line(&row));
        self.rows.push(row);
    }

    fn line(&self, row: &[String]) -> String {
        let fields = self.headings.iter().zip(row).filter(|(_, field)| !field.is_empty());
        fields.map(|(heading, field)| format!("{heading} {field}")).collect::<Vec<_>>().join(", ")
    }

    /// Prints the table as Markdown, unless it is empty.
    pub fn print(&self) {
        if self.rows.is_empty() {
            return;
        }
        println!("\n## {}\n", self.name);
        println!("| {} |\n|{}", self.headings.join(" | "), "---|".repeat(self.headings.len()));
        for row in &self.rows {
            println!("| {} |", row.join(" | "));
        }
    }

    /// Writes the table as CSV.
    pub fn write(&self, directory: &Path) -> Outcome<()> {
        fs::create_dir_all(directory)?;
        let path = directory.join(self.name).with_extension("csv");
        let mut writer = csv::Writer::from_path(path)?;
        writer.write_record(self.headings)?;
        self.rows.iter().try_for_each(|row| writer.write_record(row))?;
        Ok(writer.flush()?)
    }
}

/// All measurements.
pub struct Report {
    pub facts: Table,
    pub lifecycle: Table,
    pub batch: Table,
    pub ingest: Table,
    pub desks: Table,
    pub reads: Table,
    pub export: Table,
    pub disk: Table,
    goals: Table,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            facts: Table::new("facts", &["fact", "value"]),
            lifecycle: Table::new(
                "lifecycle",
                &[
                    "orders stored",
                    "clients",
                    "by",
                    "lifecycles/s",
                    "p50 ms",
                    "p99 ms",
                    "WAL bytes",
                    "server CPU µs",
                    "round trips",
                    "library is",
                ],
            ),
            batch: Table::new(
                "batch",
                &["orders stored", "clients", "rows", "by", "rows/s", "p50 ms", "p99 ms"],
            ),
            ingest: Table::new("ingest", &["by", "reports/s"]),
            desks: Table::new("desks", &["desks", "clients", "lifecycles/s", "of no desk"]),
            reads: Table::new(
                "reads",
                &[
                    "orders stored",
                    "clients",
                    "read",
                    "rows",
                    "row security",
                    "reads/s",
                    "rows/s",
                    "p50 ms",
                    "p99 ms",
                    "of without",
                ],
            ),
            export: Table::new("export", &["orders stored", "by", "rows", "rows/s"]),
            disk: Table::new(
                "disk",
                &["orders stored", "table", "rows", "table bytes/order", "index bytes/order"],
            ),
            goals: Table::new("goals", &["goal", "bound", "measured", "verdict"]),
        }
    }
}

impl Report {
    pub fn at_least(&mut self, goal: impl Into<String>, measured: f64, bound: f64) {
        self.add_goal(goal.into(), format!("at least {bound}"), measured, bound / measured);
    }

    pub fn at_most(&mut self, goal: impl Into<String>, measured: f64, bound: f64) {
        self.add_goal(goal.into(), format!("at most {bound}"), measured, measured / bound);
    }

    /// Adds a goal. `excess` is greater than 1 if the goal is missed.
    fn add_goal(&mut self, goal: String, bound: String, measured: f64, excess: f64) {
        let verdict = match excess {
            ..=1.0 => "met".to_owned(),
            excess => format!("MISSED by a factor of {excess:.2}"),
        };
        self.goals.add([goal, bound, format!("{measured:.3}"), verdict]);
    }

    pub fn tables(&self) -> [&Table; 9] {
        let Self { facts, lifecycle, batch, ingest, desks, reads, export, disk, goals } = self;
        [facts, lifecycle, batch, ingest, desks, reads, export, disk, goals]
    }
}

/// Returns a quantile; NaN if there are no values.
pub fn quantile(values: &[f64], of: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (of * sorted.len() as f64) as usize;
    sorted.get(index).or(sorted.last()).copied().unwrap_or(f64::NAN)
}
