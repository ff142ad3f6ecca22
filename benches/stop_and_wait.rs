//! The yardstick for `window 1 chunk 1024`: plain blocking stop-and-wait over loopback, which verifies nothing. Prints
//! MiB/s. `cargo run --release --example stop_and_wait -- FILE`
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> std::io::Result<()> {
    let bytes = std::fs::read(std::env::args().nth(1).expect("a file"))?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let receiver = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut chunk = [0; 1024];
        while stream.read_exact(&mut chunk).is_ok() {
            stream.write_all(&[1])?;
        }
        Ok(())
    });
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let (began, mut acknowledgement) = (std::time::Instant::now(), [0]);
    for chunk in bytes.as_chunks::<1024>().0 {
        stream.write_all(chunk)?;
        stream.read_exact(&mut acknowledgement)?;
    }
    let seconds = began.elapsed().as_secs_f64();
    drop(stream);
    receiver.join().expect("no panic")?;
    #[allow(clippy::print_stdout)] // a bench prints
    {
        println!("{:.1}", bytes.len() as f64 / f64::from(1 << 20) / seconds);
    }
    Ok(())
}
