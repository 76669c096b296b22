//! A client on hyper, and a server on loopback.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use midair::mock;
use midair_mocked::fetch;
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Answers one connection.
async fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let answer = |request: hyper::Request<Incoming>| async move {
            let text = format!("this is {}", request.uri());
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
        };
        hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), hyper::service::service_fn(answer))
            .await
            .unwrap_or_default();
    });
    address
}

#[tokio::test]
async fn nothing_is_mocked() {
    let server = server().await;
    assert_eq!(fetch(server, "/tea").await.unwrap(), "this is /tea");
}

#[tokio::test]
async fn a_server_that_says_no() {
    let server = server().await;
    let status = mock!(Response::<Incoming>::status).returns(StatusCode::IM_A_TEAPOT);
    let error = fetch(server, "/coffee").await.unwrap_err();
    assert_eq!(error.to_string(), "the server says 418 I'm a teapot");
    assert_eq!(status.count(), 2);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached() {
    let server = server().await;
    let connect = mock!(
        libc::connect as unsafe extern "C" fn(_, _, _) -> _ => |_, _, _| {
            // SAFETY: the calling thread's own.
            unsafe { *libc::__errno_location() = libc::ENETUNREACH };
            -1
        }
    )
    .once();
    let error = fetch(server, "/tea").await.unwrap_err();
    let error = error.downcast::<std::io::Error>().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::NetworkUnreachable);
    drop(connect);
    assert_eq!(fetch(server, "/tea").await.unwrap(), "this is /tea");
}

#[tokio::test]
async fn a_request_goes_to_another_server() {
    let real = server().await;
    let mock = mock!(async tokio::net::TcpStream::connect::<SocketAddr> => async move |_| {
        tokio::net::TcpStream::connect((real.ip(), real.port())).await
    });
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    assert_eq!(fetch(nobody, "/far").await.unwrap(), "this is /far");
    assert_eq!(mock.calls()[0].arguments, ["127.0.0.1:1"]);
}

/// The workers of the runtime are started by the thread that has the mock.
#[test]
fn all_workers_of_a_runtime_that_is_started_under_the_mock_see_it() {
    let status = mock!(Response::<Incoming>::status).returns(StatusCode::NOT_FOUND);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = async {
            let server = server().await;
            fetch(server, "/tea").await
        };
        let error = tokio::spawn(client).await.unwrap().unwrap_err();
        assert!(error.to_string().contains("404"), "{error}");
    });
    assert_eq!(status.count(), 2);
}
