//! From an open stream to a session: startup packet, authentication, the server's greeting.

use super::frames::{Fields, Frames};
use super::stream::{self, Stream};
use super::{ConnectConfig, DbError, tls};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::frontend;
use std::io;

/// Why no session could be had.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The server answered and refused.
    #[error("{0}")]
    Refused(#[source] Box<DbError>),
    /// The server asks for an authentication that this client, or this configuration, cannot give.
    #[error("authentication: {0}")]
    Authentication(String),
    /// Nobody answered, or the stream or its certificate failed.
    #[error("cannot connect: {0}")]
    Io(#[from] io::Error),
    #[error("cannot connect: no answer within the limit")]
    TimedOut,
}

/// What the server said of the session.
#[derive(Default)]
pub(super) struct Greeting {
    pub process_id: i32,
    pub secret_key: i32,
}

/// Opens a stream and a session on it.
pub(super) async fn start(config: &ConnectConfig) -> Result<(Frames, Greeting), ConnectError> {
    let stream = stream::open(config).await?;
    let private = stream.is_private();
    let binding = certificate_binding(&stream);
    let mut frames = Frames::new(stream);
    let parameters = [
        ("user", config.user.as_str()),
        ("database", config.database.as_str()),
        ("application_name", config.application_name.as_str()),
    ]
    .into_iter()
    .chain(
        config
            .settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    )
    // Last, so that no setting of a role bends what this client relies on.
    .chain([("client_encoding", "UTF8")]);
    frontend::startup_message(parameters, &mut frames.outbound)?;
    frames.flush().await?;
    authenticate(config, &mut frames, private, binding).await?;
    let greeting = greet(&mut frames).await?;
    Ok((frames, greeting))
}

/// `None` without TLS; `Some(None)` where the certificate names no hash.
fn certificate_binding(stream: &Stream) -> Option<Option<Vec<u8>>> {
    let Stream::Tls(stream) = stream else {
        return None;
    };
    let certificate = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|all| all.first());
    Some(certificate.and_then(|one| tls::end_point_binding(one)))
}

async fn authenticate(
    config: &ConnectConfig,
    frames: &mut Frames,
    private: bool,
    binding: Option<Option<Vec<u8>>>,
) -> Result<(), ConnectError> {
    let password = || {
        let missing = || ConnectError::Authentication("the server asks for a password".into());
        config.password.as_deref().ok_or_else(missing)
    };
    loop {
        let body = authentication(frames).await?;
        let mut fields = Fields(&body);
        match fields.i32()? {
            0 => return Ok(()),
            3 if !private => {
                return Err(ConnectError::Authentication(
                    "the server asks for the password in the clear on an unencrypted connection"
                        .into(),
                ));
            }
            3 => frontend::password_message(password()?.as_bytes(), &mut frames.outbound)?,
            5 => {
                let salt = fields.bytes::<4>()?;
                let hash = md5_hash(config.user.as_bytes(), password()?.as_bytes(), salt);
                frontend::password_message(hash.as_bytes(), &mut frames.outbound)?;
            }
            10 => {
                let offered = mechanisms(fields)?;
                scram(frames, password()?, &offered, binding.clone()).await?;
                continue;
            }
            other => {
                return Err(ConnectError::Authentication(format!(
                    "the server asks for method {other}, which is not supported"
                )));
            }
        }
        frames.flush().await?;
    }
}

fn mechanisms(mut fields: Fields<'_>) -> io::Result<Vec<String>> {
    let mut offered = Vec::new();
    while fields.0.first().is_some_and(|&b| b != 0) {
        offered.push(fields.text()?);
    }
    Ok(offered)
}

/// SCRAM-SHA-256, bound to the TLS session where both sides can.
async fn scram(
    frames: &mut Frames,
    password: &str,
    offered: &[String],
    binding: Option<Option<Vec<u8>>>,
) -> Result<(), ConnectError> {
    let has = |name: &str| offered.iter().any(|one| one == name);
    let (mechanism, binding) = match binding {
        Some(Some(hash)) if has(SCRAM_SHA_256_PLUS) => (
            SCRAM_SHA_256_PLUS,
            ChannelBinding::tls_server_end_point(hash),
        ),
        // Saying "you offered none" lets the server notice somebody who took the offer away.
        Some(Some(_)) => (SCRAM_SHA_256, ChannelBinding::unrequested()),
        _ => (SCRAM_SHA_256, ChannelBinding::unsupported()),
    };
    if !has(mechanism) {
        return Err(ConnectError::Authentication(format!(
            "no known mechanism in {offered:?}"
        )));
    }
    let mut scram = ScramSha256::new(password.as_bytes(), binding);
    frontend::sasl_initial_response(mechanism, scram.message(), &mut frames.outbound)?;
    frames.flush().await?;
    let challenge = sasl(frames, 11).await?;
    scram.update(&challenge)?;
    frontend::sasl_response(scram.message(), &mut frames.outbound)?;
    frames.flush().await?;
    let proof = sasl(frames, 12).await?;
    scram.finish(&proof)?;
    Ok(())
}

async fn sasl(frames: &mut Frames, expected: i32) -> Result<Vec<u8>, ConnectError> {
    let body = authentication(frames).await?;
    let mut fields = Fields(&body);
    if fields.i32()? != expected {
        return Err(ConnectError::Authentication(
            "the SCRAM exchange is out of order".into(),
        ));
    }
    Ok(fields.0.to_vec())
}

/// The body of the next authentication request.
async fn authentication(frames: &mut Frames) -> Result<bytes::BytesMut, ConnectError> {
    loop {
        let (tag, length) = frames.header().await?;
        let body = frames.head(length).await?;
        match tag {
            b'R' => return Ok(body),
            b'E' => return Err(ConnectError::Refused(Box::new(DbError::parse(&body)))),
            b'N' | b'v' => {}
            other => return Err(unexpected(other)),
        }
    }
}

/// Reads up to the first ReadyForQuery.
async fn greet(frames: &mut Frames) -> Result<Greeting, ConnectError> {
    let mut greeting = Greeting::default();
    loop {
        let (tag, length) = frames.header().await?;
        let body = frames.head(length).await?;
        match tag {
            b'K' => {
                let mut fields = Fields(&body);
                greeting = Greeting {
                    process_id: fields.i32()?,
                    secret_key: fields.i32()?,
                };
            }
            b'Z' => return Ok(greeting),
            b'E' => return Err(ConnectError::Refused(Box::new(DbError::parse(&body)))),
            b'S' | b'N' | b'v' => {}
            other => return Err(unexpected(other)),
        }
    }
}

fn unexpected(tag: u8) -> ConnectError {
    ConnectError::Io(super::frames::invalid(&format!(
        "unexpected message {:?} while connecting",
        tag as char
    )))
}
