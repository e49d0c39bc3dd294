//! From an open stream to a session: startup packet, authentication, the server's greeting.

use super::frames::{Fields, Frames};
use super::stream::{self, Stream};
use super::{ConnectConfig, DbError, binding};
use df_postgres::Endpoint;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::frontend;
use std::io;
use std::sync::atomic::Ordering;

/// Why no session could be had.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The server answered and refused.
    #[error("{0}")]
    Refused(#[source] Box<DbError>),
    /// The server asks for an authentication that this client, or this configuration, cannot give.
    #[error("authentication: {0}")]
    Authentication(String),
    /// Nobody answered in time, or the stream or its certificate failed; the text begins with the server.
    #[error("cannot connect to {0}")]
    Io(#[from] io::Error),
}

impl ConnectError {
    /// Whether another server may do what this one did not.
    fn is_of_one_server(&self) -> bool {
        match self {
            ConnectError::Io(_) => true,
            ConnectError::Refused(error) => error.class() == "57",
            ConnectError::Authentication(_) => false,
        }
    }
}

/// What the server said of the session.
#[derive(Default)]
pub(super) struct Greeting {
    pub process_id: i32,
    pub secret_key: i32,
    is_standby: bool,
}

/// Opens a session on the first server that gives one: that of the last session, then the others in their order.
/// Where there are several, a standby gives none.
pub(super) async fn start(
    config: &ConnectConfig,
) -> Result<(Frames, Greeting, Endpoint), ConnectError> {
    let mut endpoints: Vec<_> = config.server.endpoints().into_iter().enumerate().collect();
    let several = endpoints.len() > 1;
    let served = config.served.load(Ordering::Relaxed);
    endpoints.sort_by_key(|(at, _)| (*at != served, *at));
    let mut last = None;
    for (at, endpoint) in endpoints {
        match start_on(config, &endpoint, several).await {
            Ok((frames, greeting)) => {
                config.served.store(at, Ordering::Relaxed);
                return Ok((frames, greeting, endpoint));
            }
            Err(error) if error.is_of_one_server() => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("no server: none is named").into()))
}

async fn start_on(
    config: &ConnectConfig,
    endpoint: &Endpoint,
    primary_only: bool,
) -> Result<(Frames, Greeting), ConnectError> {
    let limit = config.server.connect_timeout();
    let opened = tokio::time::timeout(limit, open(config, endpoint)).await;
    let late = || {
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer within {limit:?}"),
        )
    };
    let opened = opened.unwrap_or_else(|_| Err(late().into()));
    let here = |error: &dyn std::fmt::Display| io::Error::other(format!("{endpoint}: {error}"));
    match opened {
        Ok((_, greeting)) if primary_only && greeting.is_standby => {
            Err(here(&"it is a standby").into())
        }
        Err(ConnectError::Io(error)) => Err(here(&error).into()),
        other => other,
    }
}

/// Opens a stream and a session on it.
async fn open(
    config: &ConnectConfig,
    endpoint: &Endpoint,
) -> Result<(Frames, Greeting), ConnectError> {
    let stream = stream::open(&config.server, endpoint).await?;
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
    Some(certificate.and_then(|one| binding::end_point_binding(one)))
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
    let bound = config.server.requires_channel_binding();
    let mut proven = false;
    loop {
        let body = authentication(frames).await?;
        let mut fields = Fields(&body);
        let method = fields.i32()?;
        // As in libpq, only the other side's proof that it knows the password, bound to this TLS session, will do.
        if bound && !matches!(method, 0 if proven) && method != 10 {
            return Err(unbound());
        }
        match method {
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
                let mechanism =
                    scram(frames, password()?, &offered, binding.clone(), bound).await?;
                proven = mechanism == SCRAM_SHA_256_PLUS;
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

/// SCRAM-SHA-256, bound to the TLS session where both sides can; returns the mechanism.
async fn scram(
    frames: &mut Frames,
    password: &str,
    offered: &[String],
    binding: Option<Option<Vec<u8>>>,
    bound: bool,
) -> Result<&'static str, ConnectError> {
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
    if bound && mechanism != SCRAM_SHA_256_PLUS {
        return Err(unbound());
    }
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
    Ok(mechanism)
}

fn unbound() -> ConnectError {
    ConnectError::Authentication(
        "channel_binding=require, and the server offers no authentication bound to TLS".into(),
    )
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
                greeting.process_id = fields.i32()?;
                greeting.secret_key = fields.i32()?;
            }
            b'S' => {
                let mut fields = Fields(&body);
                if fields.text()? == "in_hot_standby" {
                    greeting.is_standby = fields.text()? == "on";
                }
            }
            b'Z' => return Ok(greeting),
            b'E' => return Err(ConnectError::Refused(Box::new(DbError::parse(&body)))),
            b'N' | b'v' => {}
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
