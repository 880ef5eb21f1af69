package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

const port = "7"

// serve echoes over TCP and UDP, and tells when it does.
// The port is the one of the Echo Protocol (RFC 862).
func serve() error {
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	packets, err := net.ListenPacket("udp", ":"+port)
	if err != nil {
		return err
	}
	go echoPackets(packets)
	fmt.Println("serving")
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer connection.Close()
			_, _ = io.Copy(connection, connection)
		}()
	}
}

func echoPackets(packets net.PacketConn) {
	buffer := make([]byte, 1<<16)
	for {
		count, from, err := packets.ReadFrom(buffer)
		if err != nil {
			fmt.Fprintf(os.Stderr, "cniruntime: %v\n", err)
			os.Exit(1)
		}
		_, _ = packets.WriteTo(buffer[:count], from)
	}
}

// ask sends a message to an echo and wants it back; lost packets are not sent again.
func ask(args []string) error {
	flags := flag.NewFlagSet("ask", flag.ExitOnError)
	network := flags.String("network", "tcp", "tcp or udp")
	host := flags.String("host", "", "address of the echo")
	size := flags.Int("size", 32, "bytes of the message")
	timeout := flags.Duration("timeout", time.Second, "for all of it")
	_ = flags.Parse(args)
	deadline := time.Now().Add(*timeout)
	connection, err := net.DialTimeout(*network, net.JoinHostPort(*host, port), *timeout)
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := connection.SetDeadline(deadline); err != nil {
		return err
	}
	sent := make([]byte, *size)
	for i := range sent {
		sent[i] = byte(i)
	}
	if _, err := connection.Write(sent); err != nil {
		return err
	}
	got := make([]byte, *size)
	if _, err := io.ReadFull(connection, got); err != nil {
		return err
	}
	if string(got) != string(sent) {
		return errors.New("the echo is not what was sent")
	}
	return nil
}
