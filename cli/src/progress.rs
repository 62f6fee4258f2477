//! Progress bars on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::terminal;

/// Returns a bar that counts things of this name; hidden if standard error is not a terminal.
pub fn bar(things: &str) -> ProgressBar {
    if !terminal::has_error_terminal() {
        return ProgressBar::hidden();
    }
    let progress = ProgressBar::new(0);
    let template = format!("{{bar:30}} {{pos}}/{{len}} {things}, {{per_sec}}, {{eta}} left");
    // The template is constant and valid.
    if let Ok(style) = ProgressStyle::with_template(&template) {
        progress.set_style(style);
    }
    progress.enable_steady_tick(Duration::from_millis(200));
    progress
}
