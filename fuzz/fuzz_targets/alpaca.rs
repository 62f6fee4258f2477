#![no_main]

use libfuzzer_sys::fuzz_target;
use tradeblotter::ingest::Alpaca;
use tradeblotter_fuzz::read_all;

fuzz_target!(|data: &[u8]| read_all(Alpaca::default, data));
