#![no_main]

use libfuzzer_sys::fuzz_target;
use tradeblotter::ingest::Ndjson;
use tradeblotter_fuzz::read_all;

fuzz_target!(|data: &[u8]| read_all(Ndjson::default, data));
