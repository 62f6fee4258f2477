//! A proxy between clients and the server's socket that counts round trips, and can make them as slow as those of
//! a network.

use std::fs;
use std::io::{Read, Result, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The type of the server's ReadyForQuery message. A client that sends one query at a time makes one round trip
/// for each.
const READY_FOR_QUERY: u8 = b'Z';

/// A socket like the server's, in its own directory.
pub struct Proxy {
    directory: tempfile::TempDir,
    round_trips: Arc<AtomicUsize>,
}

impl Proxy {
    /// Starts a proxy for the server whose socket is in this directory. It holds each message of a client back for
    /// this time.
    pub fn start(server: &Path, latency: Duration) -> Result<Self> {
        const SOCKET: &str = ".s.PGSQL.5432";
        let directory = tempfile::Builder::new().prefix("proxy-").tempdir_in("/tmp")?;
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700))?;
        let listener = UnixListener::bind(directory.path().join(SOCKET))?;
        let round_trips = Arc::new(AtomicUsize::new(0));
        let (server, counter) = (server.join(SOCKET), Arc::clone(&round_trips));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client?, UnixStream::connect(&server)?);
                let (mut up, mut down) = (server.try_clone()?, client.try_clone()?);
                let counter = Arc::clone(&counter);
                thread::spawn(move || {
                    forward(&client, &mut up, |_| {
                        if !latency.is_zero() {
                            spin(latency);
                        }
                    })
                });
                thread::spawn(move || {
                    let mut messages = MessageParser::default();
                    forward(&server, &mut down, |bytes| {
                        counter.fetch_add(messages.count_ready(bytes), Ordering::Relaxed);
                    })
                });
            }
            Result::Ok(())
        });
        Ok(Self { directory, round_trips })
    }

    /// Returns the directory of the socket.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the round trips since the last call.
    pub fn take_count(&self) -> usize {
        self.round_trips.swap(0, Ordering::Relaxed)
    }
}

/// Waits without sleeping, which would take longer than asked for.
fn spin(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// Forwards bytes from one stream to the other until one is closed; calls `look` with them first.
fn forward(mut from: &UnixStream, to: &mut UnixStream, mut look: impl FnMut(&[u8])) -> Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return to.shutdown(Shutdown::Write);
        }
        look(&buffer[..read]);
        to.write_all(&buffer[..read])?;
    }
}

/// A parser of the server's messages: a type byte, a length of four bytes that includes itself, and the rest.
#[derive(Default)]
struct MessageParser {
    head: Vec<u8>,
    rest: usize,
}

impl MessageParser {
    /// Returns how many ReadyForQuery messages begin in these bytes.
    fn count_ready(&mut self, bytes: &[u8]) -> usize {
        let mut count = 0;
        for &byte in bytes {
            if self.rest > 0 {
                self.rest -= 1;
                continue;
            }
            self.head.push(byte);
            if let [kind, a, b, c, d] = self.head[..] {
                count += usize::from(kind == READY_FOR_QUERY);
                self.rest = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(4);
                self.head.clear();
            }
        }
        count
    }
}
