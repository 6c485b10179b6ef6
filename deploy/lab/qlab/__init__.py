"""What the demo, the benches and the P3 rounds share: namespaces, packets, captures and a running group."""
