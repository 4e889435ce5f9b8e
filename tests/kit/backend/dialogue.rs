//! One connection of the double.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Delivery, Flooded, Heard, Open, Shared, Step, lock};
use crate::certificate;
use crate::stream::{Lines, Stream};

/// Among what it offers: it offers CHUNKING, and does not know BDAT.
const WITHOUT_BDAT: &str = "X-WITHOUT-BDAT";

/// One connection, until it ends.
pub(super) struct Dialogue<'a> {
    stream: Option<Stream>,
    lines: Lines,
    shared: &'a Arc<Shared>,
    /// of this connection
    number: usize,
    /// its place in the record, once it has said something, and in which record
    place: Option<(usize, usize)>,
    envelope: Vec<String>,
    /// after the dot, until it is taken or refused
    received: Option<Vec<u8>>,
    /// None once leave was taken
    open: Option<Open<'a>>,
}

/// Does the connection go on?
type Goes = io::Result<bool>;

impl<'a> Dialogue<'a> {
    pub(super) fn new(
        socket: TcpStream,
        number: usize,
        shared: &'a Arc<Shared>,
        open: Open<'a>,
    ) -> Self {
        let _ = socket.set_nodelay(true);
        Self {
            stream: Some(Stream::Plain(socket)),
            lines: Lines::default(),
            shared,
            number,
            place: None,
            envelope: Vec::new(),
            received: None,
            open: Some(open),
        }
    }

    pub(super) fn run(mut self) -> io::Result<()> {
        let mut goes = self
            .answer("<connect>", "220 backend.example.org ESMTP double")?
            .is_some();
        while goes {
            let stream = self.stream.as_mut().expect("a connection");
            let Some(line) = self.lines.next(stream)? else {
                break;
            };
            let line = String::from_utf8_lossy(&line).into_owned();
            // When we take leave is our own affair, often after the client heard its answer: nobody waits for it.
            if !line.eq_ignore_ascii_case("QUIT") {
                self.record(&line);
            }
            goes = self.command(&line)?;
        }
        Ok(())
    }

    fn command(&mut self, line: &str) -> Goes {
        let upper = line.to_ascii_uppercase();
        let verb = upper.split(' ').next().unwrap_or_default();
        match verb {
            "EHLO" => self.hello(line),
            "HELO" => self.plainly(line, "250 backend.example.org"),
            "MAIL" => {
                self.envelope = vec![line.to_owned()];
                self.plainly(line, "250 2.1.0 sender ok")
            }
            "RCPT" => self.recipient(line),
            "DATA" => self.data(line),
            "BDAT" => self.chunk(line),
            "RSET" => {
                self.envelope.clear();
                self.plainly(line, "250 2.0.0 reset")
            }
            "NOOP" => self.plainly(line, "250 2.0.0 ok"),
            "XFORWARD" => self.plainly(line, "250 2.0.0 ok"),
            "XCLIENT" => self.plainly(line, "220 backend.example.org ESMTP double"),
            "STARTTLS" => self.start_tls(line),
            "QUIT" => {
                // Whoever hears the answer may open another connection at once: this one is not to be counted beside it.
                drop(self.open.take());
                self.answer(line, "221 2.0.0 bye")?;
                Ok(false)
            }
            _ => self.plainly(line, "502 5.5.2 unknown"),
        }
    }

    fn plainly(&mut self, line: &str, ordinary: &str) -> Goes {
        Ok(self.answer(line, ordinary)?.is_some())
    }

    fn hello(&mut self, line: &str) -> Goes {
        let mut lines = vec!["backend.example.org".to_owned()];
        lines.extend(lock(&self.shared.offer).iter().cloned());
        let last = lines.len() - 1;
        let reply: Vec<_> = lines
            .iter()
            .enumerate()
            .map(|(n, line)| format!("250{}{line}", if n == last { ' ' } else { '-' }))
            .collect();
        self.plainly(line, &reply.join("\r\n"))
    }

    fn recipient(&mut self, line: &str) -> Goes {
        let said = self.answer(line, "250 2.1.5 recipient ok")?;
        if said.as_ref().is_some_and(|said| said.starts_with(b"2")) {
            self.envelope.push(line.to_owned());
        }
        Ok(said.is_some())
    }

    fn start_tls(&mut self, line: &str) -> Goes {
        let Some(said) = self.answer(line, "220 2.0.0 go ahead")? else {
            return Ok(false);
        };
        if said.starts_with(b"220") {
            self.lines.clear();
            let stream = self.stream.take().expect("a connection");
            let tls = lock(&self.shared.tls).clone();
            let tls = tls.unwrap_or_else(|| certificate::shared().server());
            self.stream = Some(stream.into_server(tls)?);
        }
        Ok(true)
    }

    fn data(&mut self, line: &str) -> Goes {
        match self.answer(line, "354 go ahead")? {
            None => return Ok(false),
            Some(said) if !said.starts_with(b"354") => return Ok(true),
            Some(_) => {}
        }
        let Some(octets) = self.content()? else {
            return Ok(false);
        };
        self.received = Some(octets);
        let said = self.answer(".", "250 2.0.0 Ok: queued as 4TEST1DOUBLE")?;
        self.received = None;
        Ok(said.is_some())
    }

    /// A whole message in one chunk; what we send, and so all that is understood.
    fn chunk(&mut self, line: &str) -> Goes {
        if lock(&self.shared.offer).iter().any(|it| it == WITHOUT_BDAT) {
            return self.plainly(line, "502 5.5.1 command not implemented");
        }
        let size = line
            .strip_prefix("BDAT ")
            .and_then(|it| it.strip_suffix(" LAST"));
        let Some(size) = size.and_then(|size| size.parse().ok()) else {
            return self.plainly(line, "501 5.5.4 one chunk, please");
        };
        let stream = self.stream.as_mut().expect("a connection");
        let Some(octets) = self.lines.take(stream, size)? else {
            return Ok(false);
        };
        if !self.shared.commands_only.load(Ordering::Relaxed) {
            for text in octets.split_inclusive(|octet| *octet == b'\n') {
                let text = text.strip_suffix(b"\r\n").unwrap_or(text);
                self.record(&String::from_utf8_lossy(text));
            }
        }
        self.received = Some(octets);
        let said = self.answer(line, "250 2.0.0 Ok: queued as 4TEST1DOUBLE")?;
        self.received = None;
        Ok(said.is_some())
    }

    /// The message is taken, once. Its place among the deliveries, if there was one.
    fn commit(&mut self, silent: bool) -> Option<usize> {
        let octets = self.received.take()?;
        let envelope = std::mem::take(&mut self.envelope);
        let mut deliveries = lock(&self.shared.deliveries);
        deliveries.push(Delivery {
            envelope,
            octets,
            silent,
        });
        Some(deliveries.len() - 1)
    }

    /// Its connection was ended before the reply was out: what was taken was taken in silence after all.
    fn unheard(&self, taken: Option<usize>) {
        let mut deliveries = lock(&self.shared.deliveries);
        if let Some(delivery) = taken.and_then(|place| deliveries.get_mut(place)) {
            delivery.silent = true;
        }
    }

    /// The message up to the dot; `None` if it was not wanted to the end.
    fn content(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut octets = Vec::new();
        let mut first = true;
        loop {
            let stream = self.stream.as_mut().expect("a connection");
            let Some(line) = self.lines.next_raw(stream)? else {
                return Ok(None);
            };
            if std::mem::take(&mut first) && self.answer("<content>", "")?.is_none() {
                return Ok(None);
            }
            if !self.shared.commands_only.load(Ordering::Relaxed) {
                let text = line.strip_suffix(b"\r\n").unwrap_or(&line);
                self.record(&String::from_utf8_lossy(text));
            }
            if line == b".\r\n" {
                return Ok(Some(octets));
            }
            octets.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }

    /// Answers as told, or with the ordinary reply; what was said, or `None` if that ended the connection.
    fn answer(&mut self, command: &str, ordinary: &str) -> io::Result<Option<Vec<u8>>> {
        let sender = self.envelope.first().map_or("", String::as_str);
        let steps = self
            .shared
            .rule(sender, command)
            .unwrap_or_else(|| vec![Step::Ordinary]);
        let mut said = Vec::new();
        for step in steps {
            let octets = match step {
                Step::Say(octets) => octets,
                Step::Ordinary if ordinary.is_empty() => continue,
                Step::Ordinary => format!("{ordinary}\r\n").into_bytes(),
                Step::Flood(octet, count) => {
                    self.flood(octet, count)?;
                    continue;
                }
                Step::Wait(span) => {
                    self.wait(span);
                    continue;
                }
                Step::Commit => {
                    self.commit(true);
                    continue;
                }
                Step::Silence => return self.until_closed(),
                Step::Close => return Ok(None),
                Step::Reset => return self.reset(),
                Step::Dribble => {
                    said.extend(self.dribble(ordinary)?);
                    continue;
                }
            };
            // As real servers do: what the client is told has happened already. Only a message at its dot is affected.
            let promised = octets.starts_with(b"2") && octets.ends_with(b"\n");
            let taken = promised.then(|| self.commit(false)).flatten();
            let stream = self.stream.as_mut().expect("a connection");
            let told = stream.write_all(&octets).and_then(|()| stream.flush());
            told.inspect_err(|_| self.unheard(taken))?;
            said.extend_from_slice(&octets);
        }
        Ok(Some(said))
    }

    /// Piece by piece, so that it is known how much was wanted.
    fn flood(&mut self, octet: u8, count: usize) -> io::Result<()> {
        let piece = vec![octet; 16 << 10];
        let stream = self.stream.as_mut().expect("a connection");
        let mut octets = 0;
        let mut told = Ok(());
        while octets < count && told.is_ok() {
            let piece = &piece[..piece.len().min(count - octets)];
            told = stream.write_all(piece).and_then(|()| stream.flush());
            octets += if told.is_ok() { piece.len() } else { 0 };
        }
        let cut_off = told.is_err();
        lock(&self.shared.floods).push(Flooded { octets, cut_off });
        told
    }

    /// Unless the double is stopped meanwhile.
    fn wait(&self, span: Duration) {
        let until = Instant::now() + span;
        while !self.shared.closing.load(Ordering::SeqCst) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(Duration::from_millis(100)));
        }
    }

    fn reset(&mut self) -> io::Result<Option<Vec<u8>>> {
        // The last descriptor of a connection resets it.
        lock(&self.shared.sockets).remove(&self.number);
        if let Some(stream) = self.stream.take() {
            stream.reset();
        }
        Ok(None)
    }

    fn dribble(&mut self, ordinary: &str) -> io::Result<Vec<u8>> {
        let octets = match ordinary {
            "" => Vec::new(),
            _ => format!("{ordinary}\r\n").into_bytes(),
        };
        if octets.starts_with(b"2") {
            self.commit(false);
        }
        let stream = self.stream.as_mut().expect("a connection");
        for octet in octets.chunks(1) {
            stream.write_all(octet)?;
            stream.flush()?;
        }
        Ok(octets)
    }

    fn until_closed(&mut self) -> io::Result<Option<Vec<u8>>> {
        let stream = self.stream.as_mut().expect("a connection");
        let mut chunk = [0; 4096];
        while stream.read(&mut chunk)? > 0 {}
        Ok(None)
    }

    fn record(&mut self, line: &str) {
        let mut heard = lock(&self.shared.heard);
        // The record may have been wiped between two scenes of a test, and a connection that lasts is heard in both.
        let scene = self.shared.scene.load(Ordering::SeqCst);
        let place = match self.place {
            Some((of, place)) if of == scene => place,
            _ => {
                heard.push(Heard::default());
                heard.len() - 1
            }
        };
        self.place = Some((scene, place));
        heard[place].lines.push(line.to_owned());
    }
}

impl Drop for Dialogue<'_> {
    fn drop(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.close();
        }
    }
}
