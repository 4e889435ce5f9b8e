//! One connection: greeting, TLS, EHLO, messages, QUIT.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::dialogue::{Dialogue, Fault};
use crate::plan::{Pace, Plan, Security};
use crate::tls;

/// Either kind of stream; a plan may not know which before it runs.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// A session after EHLO.
pub(crate) struct Session {
    dialogue: Dialogue<Box<dyn Stream>>,
    /// from before the connection was made to the reply to the last EHLO
    pub(crate) set_up: Duration,
    /// the TLS session is that of an earlier connection
    pub(crate) resumed: bool,
}

/// The commands of a transaction, made once for all of them.
#[derive(Debug)]
pub(crate) struct Script {
    mail: Vec<u8>,
    rcpt: Vec<Vec<u8>>,
    group: Vec<u8>,
    content: Vec<u8>,
}

const EHLO: &[u8] = b"EHLO load.example.com\r\n";
const DATA: &[u8] = b"DATA\r\n";

impl Script {
    pub(crate) fn new(plan: &Plan) -> Self {
        let mail = b"MAIL FROM:<sender@example.com>\r\n".to_vec();
        let rcpt: Vec<_> = (0..plan.recipients.max(1))
            .map(|n| format!("RCPT TO:<r{n}@example.org>\r\n").into_bytes())
            .collect();
        let group = [&mail[..], &rcpt.concat(), DATA].concat();
        let content = crate::letter::letter(plan.size);
        Self {
            mail,
            rcpt,
            group,
            content,
        }
    }

    /// Octets of the message, without the end of data.
    pub(crate) fn size(&self) -> usize {
        self.content.len() - 3
    }
}

impl Session {
    /// Connects, protects, says EHLO.
    pub(crate) async fn open(plan: &Plan, tls: &Arc<ClientConfig>) -> Result<Self, Fault> {
        let start = Instant::now();
        let stream = tokio::time::timeout(plan.patience, TcpStream::connect(plan.target)).await??;
        stream.set_nodelay(true)?;
        let (dialogue, resumed) = match plan.security {
            Security::Plain => (greeted(Box::new(stream), plan).await?, false),
            Security::Implicit => {
                let (stream, resumed) = protect(stream, plan, tls).await?;
                (greeted(Box::new(stream), plan).await?, resumed)
            }
            Security::Starttls => starttls(stream, plan, tls).await?,
        };
        Ok(Self {
            dialogue,
            set_up: start.elapsed(),
            resumed,
        })
    }

    /// One message, from MAIL to the final reply.
    pub(crate) async fn message(&mut self, script: &Script, pace: Pace) -> Result<(), Fault> {
        self.envelope(script, pace).await?;
        self.dialogue
            .ask(&script.content, "the message", 250)
            .await?;
        Ok(())
    }

    /// The envelope and `octets` of the content, and then nothing more.
    pub(crate) async fn begin(&mut self, script: &Script, octets: usize) -> Result<(), Fault> {
        self.envelope(script, Pace::OneByOne).await?;
        self.dialogue.write(&script.content[..octets]).await
    }

    /// QUIT, until the server has closed.
    pub(crate) async fn quit(mut self) -> Result<(), Fault> {
        self.dialogue.ask(b"QUIT\r\n", "QUIT", 221).await?;
        self.dialogue.closed().await
    }

    async fn envelope(&mut self, script: &Script, pace: Pace) -> Result<(), Fault> {
        let dialogue = &mut self.dialogue;
        match pace {
            Pace::OneByOne => {
                dialogue.ask(&script.mail, "MAIL", 250).await?;
                for rcpt in &script.rcpt {
                    dialogue.ask(rcpt, "RCPT", 250).await?;
                }
                dialogue.ask(DATA, "DATA", 354).await?;
            }
            Pace::Pipelined => {
                dialogue.write(&script.group).await?;
                dialogue.expect("MAIL", 250).await?;
                for _ in &script.rcpt {
                    dialogue.expect("RCPT", 250).await?;
                }
                dialogue.expect("DATA", 354).await?;
            }
        }
        Ok(())
    }
}

async fn greeted(stream: Box<dyn Stream>, plan: &Plan) -> Result<Dialogue<Box<dyn Stream>>, Fault> {
    let mut dialogue = Dialogue::new(stream, plan.patience);
    dialogue.expect("the connection", 220).await?;
    hello(&mut dialogue, plan).await?;
    Ok(dialogue)
}

/// EHLO in the clear, STARTTLS, EHLO again: what was offered before TLS does not count (RFC 3207, 4.2).
async fn starttls(
    stream: TcpStream,
    plan: &Plan,
    tls: &Arc<ClientConfig>,
) -> Result<(Dialogue<Box<dyn Stream>>, bool), Fault> {
    let mut dialogue = Dialogue::new(stream, plan.patience);
    dialogue.expect("the connection", 220).await?;
    let offer = dialogue.ask(EHLO, "EHLO", 250).await?;
    if !offers(&offer, "STARTTLS") {
        return Err(Fault::NotOffered("STARTTLS"));
    }
    dialogue.ask(b"STARTTLS\r\n", "STARTTLS", 220).await?;
    let (stream, resumed) = protect(dialogue.into_stream()?, plan, tls).await?;
    let mut dialogue = Dialogue::new(Box::new(stream) as Box<dyn Stream>, plan.patience);
    hello(&mut dialogue, plan).await?;
    Ok((dialogue, resumed))
}

async fn hello<S: Stream>(dialogue: &mut Dialogue<S>, plan: &Plan) -> Result<(), Fault> {
    let offer = dialogue.ask(EHLO, "EHLO", 250).await?;
    if plan.pace == Pace::Pipelined && !offers(&offer, "PIPELINING") {
        return Err(Fault::NotOffered("PIPELINING"));
    }
    Ok(())
}

async fn protect(
    stream: TcpStream,
    plan: &Plan,
    tls: &Arc<ClientConfig>,
) -> Result<(TlsStream<TcpStream>, bool), Fault> {
    let name = ServerName::try_from(tls::NAME).expect("a valid name");
    let connecting = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
    let stream = tokio::time::timeout(plan.patience, connecting).await??;
    let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
    Ok((stream, resumed))
}

/// Does the reply to EHLO have a line with this keyword?
fn offers(reply: &str, keyword: &str) -> bool {
    let words = reply.lines().skip(1).filter_map(|line| {
        let text = line.get(4..)?;
        text.split_ascii_whitespace().next()
    });
    words
        .into_iter()
        .any(|word| word.eq_ignore_ascii_case(keyword))
}

#[cfg(test)]
mod tests {
    use super::offers;

    #[test]
    fn an_offer_is_a_line_of_its_own() {
        let reply = "250-mx STARTTLS\r\n250-SIZE 1000\r\n250-pipelining\r\n250 HELP\r\n";
        assert!(offers(reply, "SIZE") && offers(reply, "PIPELINING") && offers(reply, "HELP"));
        assert!(!offers(reply, "STARTTLS") && !offers(reply, "1000") && !offers(reply, "PIPE"));
    }
}
