//! Load for `listen tcp 0 calc`, as redis-benchmark makes it for redis: connections that each keep so many questions under
//! way and wait for all their answers. Prints questions a second.
//! `cargo run --release --example ask -- ADDRESS CONNECTIONS PIPELINE QUESTIONS [EXPRESSION]`
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize| arguments[at].parse::<usize>().expect("a number");
    let (connections, pipeline, questions) = (number(2), number(3), number(4));
    let line = format!("{}\n", arguments.get(5).map_or("7 % 3", String::as_str));
    let began = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .map(|_| {
            let work = ask(arguments[1].clone(), line.clone(), pipeline, questions / connections);
            tokio::spawn(work)
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic")?;
    }
    #[allow(clippy::print_stdout)] // a bench prints
    {
        println!("{:.0}", questions as f64 / began.elapsed().as_secs_f64());
    }
    Ok(())
}

async fn ask(address: String, line: String, pipeline: usize, questions: usize) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let batch = line.repeat(pipeline);
    let mut answers = vec![0; 64 << 10];
    for _ in 0..questions / pipeline {
        stream.write_all(batch.as_bytes()).await?;
        let mut missing = pipeline;
        while missing > 0 {
            let read = stream.read(&mut answers).await?;
            assert!(read > 0, "the server closed");
            missing -= answers[..read].iter().filter(|&&byte| byte == b'\n').count();
        }
    }
    Ok(())
}
