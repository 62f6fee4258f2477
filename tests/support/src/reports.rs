//! FIX execution reports for tests of ingest.

/// A FIX message of these fields, separated by `|`, with the right length and checksum.
pub fn message(fields: &str) -> String {
    let body = fields.replace('|', "\u{1}") + "\u{1}";
    let head = format!("8=FIX.4.4\u{1}9={}\u{1}{body}", body.len());
    let sum: u32 = head.bytes().map(u32::from).sum();
    format!("{head}10={:03}\u{1}\n", sum % 256)
}

/// An execution report of an order by ada to buy ACME at 10.00, at this second, with more fields.
pub fn report(second: u32, fields: &str) -> String {
    let at = format!("20261124-15:{:02}:{:02}", second / 60, second % 60);
    message(&format!(
        "35=8|34={second}|49=BROKER|56=DESK|52={at}|1=ada|55=ACME|54=1|40=2|44=10.00|60={at}|{fields}"
    ))
}

/// The acknowledgement of an order.
pub fn acknowledged(second: u32, id: &str, quantity: u32) -> String {
    let fields = format!("11={id}|37=V{id}|17={id}-0|150=0|39=0|38={quantity}|14=0|6=0");
    report(second, &fields)
}

/// Returns the report of a fill at 10.00: `shares` filled by it, `cumulative` of the order's 100 shares filled so far.
pub fn filled(second: u32, id: &str, execution: &str, shares: u32, cumulative: u32) -> String {
    let status = if cumulative < 100 { 1 } else { 2 };
    report(
        second,
        &format!(
            "11={id}|37=V{id}|17={execution}|150=F|39={status}|38=100|30=XNAS|32={shares}|31=10.00|\
             14={cumulative}|6=10.00"
        ),
    )
}

/// Returns the report of a cancel of an order of 100 shares, of which `cumulative` were filled before.
pub fn cancelled(second: u32, id: &str, cumulative: u32) -> String {
    let average = if cumulative > 0 { "10.00" } else { "0" };
    let fields = format!(
        "11={id}-c|41={id}|37=V{id}|17={id}-c|150=4|39=4|38=100|14={cumulative}|6={average}"
    );
    report(second, &fields)
}

/// The same report from another session: without a venue, and with other sequence numbers and times.
pub fn other_session(report: &str) -> String {
    let fields: Vec<_> = report
        .trim_end()
        .split('\u{1}')
        .filter(|field| !field.is_empty() && !["8=", "9=", "10", "30"].contains(&&field[..2]))
        .map(|field| match &field[..3] {
            "49=" => "49=OTHER".to_owned(),
            "56=" => "56=COPY".to_owned(),
            "34=" => format!("34=77{}", &field[3..]),
            "52=" => "52=20261124-23:00:00".to_owned(),
            _ => field.to_owned(),
        })
        .collect();
    message(&fields.join("|"))
}
