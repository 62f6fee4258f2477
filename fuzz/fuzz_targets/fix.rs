#![no_main]

use libfuzzer_sys::fuzz_target;
use tradeblotter::ingest::{FixReader, ReadOptions};
use tradeblotter_fuzz::read_all;

fuzz_target!(|data: &[u8]| {
    let trader_from = vec![1.into(), "49/56".parse().expect("a list of tags")];
    let options = ReadOptions { trader_from, ..ReadOptions::default() };
    read_all(|| FixReader::new(options.clone()), data);
});
