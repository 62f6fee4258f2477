//! Generated execution reports.

use std::fmt::Write;

/// Generates `count` execution reports, one per line, with correct body lengths and checksums.
pub fn reports(count: u32, separator: &str) -> Vec<u8> {
    let mut all = Vec::new();
    for number in 0..count {
        all.extend_from_slice(report(number).replace('\x01', separator).as_bytes());
        all.push(b'\n');
    }
    all
}

fn report(number: u32) -> String {
    let (order, step) = (number / 4, number % 4);
    let (kind, filled, last) =
        [("0", 0, 0), ("F", 200, 200), ("F", 500, 300), ("4", 500, 0)][step as usize];
    let status = ["0", "1", "1", "4"][step as usize];
    let left = if step == 3 { 0 } else { 1000 - filled };
    let second = number % 60;
    let body = format!(
        "35=8|34={number}|49=BROKER|56=CLIENT|57=DESK7|52=20261125-14:30:{second:02}.123|\
         37=O-{order:010}|11=20261125-{order:08}|17=E-{number:012}|20=0|150={kind}|39={status}|\
         1=ACC-4711|55=AAPL|48=US0378331005|22=4|207=XNAS|54=1|38=1000|40=2|44=229.90|59=0|\
         32={last}|31=229.87|30=XNAS|151={left}|14={filled}|6=229.87|60=20261125-14:30:{second:02}.123456|\
         12=1.25|13=3|15=USD|29=1|58=as agreed by telephone|"
    )
    .replace('|', "\x01");
    let mut message = format!("8=FIX.4.4\x019={}\x01{body}", body.len());
    let sum = message.bytes().fold(0u8, u8::wrapping_add);
    let _ = write!(message, "10={sum:03}\x01");
    message
}
