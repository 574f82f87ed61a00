package main

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// A segment is a piece of an upload, and the Upload-Checksum field of its bytes.
type segment struct {
	start, end int64
	checksum   string
}

// A link is one connection; every method ends the program when the server does not do what it should.
type link struct {
	conn   *net.TCPConn
	reader *bufio.Reader
	source *os.File
}

func dial() *link {
	conn, err := net.Dial("tcp", *address)
	fail(err)
	return &link{conn: conn.(*net.TCPConn), reader: bufio.NewReaderSize(conn, 64<<10)}
}

func (l *link) close() {
	if l.source != nil {
		l.source.Close()
	}
	l.conn.Close()
}

func (l *link) break_(reset bool) {
	if reset {
		fail(l.conn.SetLinger(0))
	}
	l.conn.Close()
}

func (l *link) write(data []byte) {
	_, err := l.conn.Write(data)
	fail(err)
}

// answer reads an answer's head; bodies of answers are short and thrown away.
func (l *link) answer(wanted int) map[string]string {
	first, err := l.reader.ReadString('\n')
	fail(err)
	status, err := strconv.Atoi(strings.Fields(first)[1])
	fail(err)
	fields := map[string]string{}
	for {
		line, err := l.reader.ReadString('\n')
		fail(err)
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		fields[strings.ToLower(name)] = strings.TrimSpace(value)
	}
	if status != wanted && wanted != 0 {
		fail(fmt.Errorf("answered %d, not %d: %v", status, wanted, fields))
	}
	fields["status"] = strconv.Itoa(status)
	return fields
}

func (l *link) drop(fields map[string]string) {
	if length, err := strconv.ParseInt(fields["content-length"], 10, 64); err == nil {
		_, err = io.CopyN(io.Discard, l.reader, length)
		fail(err)
	}
}

const common = " HTTP/1.1\r\nHost: bench\r\nTus-Resumable: 1.0.0\r\n"

func (l *link) create(length int64) string {
	l.write(fmt.Appendf(nil, "POST %s%sUpload-Length: %d\r\nContent-Length: 0\r\n\r\n", *path, common, length))
	fields := l.answer(201)
	l.drop(fields)
	return pathOf(fields["location"])
}

func (l *link) createWith(length int64) {
	l.write(append(fmt.Appendf(nil,
		"POST %s%sUpload-Length: %d\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: %d\r\n\r\n",
		*path, common, length, length), small(length)...))
	l.drop(l.answer(201))
}

func pathOf(location string) string {
	found, err := url.Parse(location)
	fail(err)
	return found.Path
}

var held []byte

func small(length int64) []byte {
	if held == nil {
		held = bytes.Repeat([]byte("tus upload data "), 1<<12)
	}
	return held[:length]
}

func (l *link) begin(location string, start, end int64, checksum string) {
	l.write(head(location, start, end, checksum))
}

func head(location string, start, end int64, checksum string) []byte {
	if *bare {
		return fmt.Appendf(nil, "PUT %s HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n", *path, end-start)
	}
	field := ""
	if checksum != "" {
		field = "Upload-Checksum: " + checksum + "\r\n"
	}
	return fmt.Appendf(nil, "PATCH %s%sUpload-Offset: %d\r\n%sContent-Type: application/offset+octet-stream\r\n"+
		"Content-Length: %d\r\n\r\n", location, common, start, field, end-start)
}

func (l *link) patch(location string, one segment) {
	length := one.end - one.start
	if length <= 1<<16 {
		l.write(append(head(location, one.start, one.end, one.checksum), small(length)...))
	} else {
		l.begin(location, one.start, one.end, one.checksum)
		l.send(one.start, length)
	}
	fields := l.answer(0)
	if !strings.HasPrefix(fields["status"], "2") {
		fail(fmt.Errorf("a PATCH was answered %v", fields))
	}
	l.drop(fields)
}

// send takes bytes from the file by sendfile; behind its end it begins again.
func (l *link) send(start, length int64) {
	if l.source == nil {
		file, err := os.Open(*body)
		fail(err)
		l.source = file
	}
	facts, err := l.source.Stat()
	fail(err)
	for length > 0 {
		place := start % facts.Size()
		_, err = l.source.Seek(place, io.SeekStart)
		fail(err)
		sent, err := io.CopyN(l.conn, l.source, min(length, facts.Size()-place))
		fail(err)
		start, length = start+sent, length-sent
	}
}

func (l *link) head(location string) map[string]string {
	l.write([]byte("HEAD " + location + common + "\r\n"))
	return l.answer(200)
}

func (l *link) remove(location string) {
	if !*bare {
		l.write([]byte("DELETE " + location + common + "\r\n"))
		l.drop(l.answer(204))
	}
}

// offset asks until the server tells it, as clients do when it answers 423.
func (l *link) offset(location string) int64 {
	for {
		l.write([]byte("HEAD " + location + common + "\r\n"))
		fields := l.answer(0)
		if fields["status"] == "200" {
			offset, err := strconv.ParseInt(fields["upload-offset"], 10, 64)
			fail(err)
			return offset
		}
		time.Sleep(time.Millisecond)
	}
}

// writeAndWait sends so much and returns when the far end's kernel has it.
func (l *link) writeAndWait(length int64) int64 {
	l.send(0, length)
	raw, err := l.conn.SyscallConn()
	fail(err)
	for waiting := int32(1); waiting > 0; time.Sleep(100 * time.Microsecond) {
		fail(raw.Control(func(fd uintptr) {
			syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&waiting)))
		}))
	}
	return length
}

// download has the kernel throw the bytes away: what a client does with them is not the server's.
func (l *link) download(location string) {
	l.write([]byte("GET " + location + " HTTP/1.1\r\nHost: bench\r\n\r\n"))
	fields := l.answer(200)
	left, err := strconv.ParseInt(fields["content-length"], 10, 64)
	fail(err)
	buffered := min(left, int64(l.reader.Buffered()))
	_, err = l.reader.Discard(int(buffered))
	fail(err)
	left -= buffered
	raw, err := l.conn.SyscallConn()
	fail(err)
	scratch := make([]byte, 1<<20)
	for left > 0 {
		var n int
		var broken error
		fail(raw.Read(func(fd uintptr) bool {
			n, _, broken = syscall.Recvfrom(int(fd), scratch[:min(left, int64(len(scratch)))], syscall.MSG_TRUNC)
			return broken != syscall.EAGAIN
		}))
		fail(broken)
		if n == 0 {
			fail(io.ErrUnexpectedEOF)
		}
		left -= int64(n)
	}
}

func cutUp(length, most int64) []segment {
	found := []segment{}
	for start := int64(0); start < length; start += most {
		end := min(start+most, length)
		found = append(found, segment{start, end, checksum(start, end)})
	}
	return found
}

func checksum(start, end int64) string {
	var hasher hash.Hash
	switch *digest {
	case "":
		return ""
	case "sha1":
		hasher = sha1.New()
	case "sha256":
		hasher = sha256.New()
	default:
		fail(fmt.Errorf("%s is no algorithm of this client", *digest))
	}
	file, err := os.Open(*body)
	fail(err)
	defer file.Close()
	facts, err := file.Stat()
	fail(err)
	for start < end {
		place := start % facts.Size()
		copied, err := io.Copy(hasher, io.NewSectionReader(file, place, min(end-start, facts.Size()-place)))
		fail(err)
		start += copied
	}
	return *digest + " " + base64.StdEncoding.EncodeToString(hasher.Sum(nil))
}
