//! The HTML page of a report in a browser: on a wide and a narrow screen, in light and dark mode.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tradeblotter::Filter;
use tradeblotter::report::{Format, Report};

use tradeblotter_test_support::trading_day;

/// Program names of browsers of the Chromium family.
const BROWSERS: &[&str] =
    &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

/// Widths of a desk and of a phone, in CSS pixels.
const DESK: u32 = 1280;
const PHONE: u32 = 390;

/// A page that loads the report at a given width and reports its measurements.
const FRAME: &str = r#"<!DOCTYPE html><html><head><meta name="color-scheme" content="light dark">
<style>body { margin: 0 } iframe { border: 0; display: block; width: WIDTHpx; height: 2600px }</style></head>
<body><iframe src="day.html"></iframe><pre></pre><script>
addEventListener("load", () => {
    const page = document.querySelector("iframe").contentDocument;
    if (MEASURE) for (const order of page.querySelectorAll("details")) order.open = true;
    const { scrollWidth, clientWidth } = page.documentElement;
    const said = MEASURE ? { scrollWidth, clientWidth,
        background: getComputedStyle(page.body).backgroundColor,
        orders: page.querySelectorAll("details").length,
        scripts: page.scripts.length,
        unlabelled: page.querySelectorAll("svg:not([aria-label])").length,
    } : "";
    document.querySelector("pre").textContent = JSON.stringify(said);
});
</script></body></html>"#;

fn browser() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|directory| BROWSERS.iter().map(move |name| directory.join(name)))
        .find(|program| program.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "the page of a report is tried in a browser, and there is none on the PATH: install chromium \
             (scripts/test does, where there is apt-get)"
        )
    })
}

/// Opens a file and returns what the browser prints; fails if the browser reports an error.
#[track_caller]
fn open(file: &Path, is_dark: bool, arguments: &[String]) -> String {
    let profile = TempDir::new().unwrap();
    let output = Command::new(browser())
        // Chromium's sandbox does not work as root or in most containers; the page is our own.
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
        ])
        .args([
            "--disable-dev-shm-usage",
            "--enable-logging=stderr",
            "--allow-file-access-from-files",
        ])
        .arg(format!("--blink-settings=preferredColorScheme={}", if is_dark { 0 } else { 1 }))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let complaints: Vec<&str> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert_eq!(complaints, [] as [&str; 0]);
    String::from_utf8(output.stdout).unwrap()
}

/// Measures the page with every timeline open.
fn measured(directory: &Path, width: u32, is_dark: bool) -> Value {
    let frame = directory.join("frame.html");
    fs::write(&frame, FRAME.replace("WIDTH", &width.to_string()).replace("MEASURE", "true"))
        .unwrap();
    let page = open(&frame, is_dark, &["--dump-dom".to_owned()]);
    let (_, said) = page.split_once("<pre>").unwrap();
    serde_json::from_str(said.split_once("</pre>").unwrap().0).unwrap()
}

/// Takes a screenshot, which stays in `target/tmp` for people to look at.
fn picture(directory: &Path, width: u32, is_dark: bool) -> Vec<u8> {
    let frame = directory.join("frame.html");
    fs::write(&frame, FRAME.replace("WIDTH", &width.to_string()).replace("MEASURE", "false"))
        .unwrap();
    let name = format!("report-{width}-{}.png", if is_dark { "dark" } else { "light" });
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let arguments = [
        format!("--screenshot={}", path.display()),
        format!("--window-size={},2600", width.max(500)),
    ];
    open(&frame, is_dark, &arguments);
    fs::read(path).unwrap()
}

#[test]
fn the_page_of_the_bundled_day_fits_a_desk_and_a_phone_by_day_and_by_night() {
    let db = trading_day();
    let directory = TempDir::new().unwrap();
    let report = Report { filter: Filter::default(), format: Format::Html, public_keys: &[] };
    let page = directory.path().join("day.html");
    let orders =
        report.write(&db.blotter().compliance(), &page, |_, _| ()).unwrap().contents.orders;
    let backgrounds = [false, true].map(|is_dark| {
        let mut background = Value::Null;
        for width in [DESK, PHONE] {
            let said = measured(directory.path(), width, is_dark);
            assert_eq!(
                (&said["clientWidth"], &said["scrollWidth"]),
                (&width.into(), &width.into())
            );
            assert_eq!((&said["scripts"], &said["unlabelled"]), (&0.into(), &0.into()));
            assert_eq!(said["orders"], orders);
            background = said["background"].clone();
        }
        background
    });
    assert_ne!(backgrounds[0], backgrounds[1]);
    for width in [DESK, PHONE] {
        let [light, dark] = [false, true].map(|is_dark| picture(directory.path(), width, is_dark));
        assert!(light.starts_with(b"\x89PNG") && dark.starts_with(b"\x89PNG") && light != dark);
    }
}
