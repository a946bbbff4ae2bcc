// Command loadgen keeps a fixed number of HTTPS clients busy with one request after another and reports, as JSON, what
// came back and how long it took.
//
// Every client is a connection of its own with HTTP/1.1 keep-alive, as the apiserver's to a webhook. Nothing is decoded
// but the response's frame, so that the generator costs far less than what it measures. The text given by -vary is
// replaced in every request by a number that no other request of the run has, so that no answer can come from a cache
// of contents; an answer to a review must carry that number back.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type texts []string

func (t *texts) String() string         { return strings.Join(*t, " ") }
func (t *texts) Set(value string) error { *t = append(*t, value); return nil }

// plan is what all clients share.
type plan struct {
	address  string
	tls      *tls.Config
	requests []request
	renew    int // requests after which a client opens a new connection; 0 for never
	review   bool
	limit    int64 // requests in all; 0 for no limit
	deadline time.Time
	timeout  time.Duration
	sent     atomic.Int64
}

// request is a whole request as it goes on the wire, and where the number has its place in it.
type request struct {
	text    []byte
	offsets []int
}

// tally is what one client, or all of them, saw.
type tally struct {
	Requests    int            `json:"requests"`
	Allowed     int            `json:"allowed"`
	Denied      int            `json:"denied"`
	NonSuccess  int            `json:"non_2xx"`
	Mismatched  int            `json:"mismatched"` // answers to another review than the one that was sent
	Errors      int            `json:"errors"`
	Connections int            `json:"connections"`
	Statuses    map[string]int `json:"statuses"`
	FirstError  string         `json:"first_error,omitempty"`
	FirstRefuse string         `json:"first_refusal,omitempty"` // the beginning of the first answer that is not 2xx
	BytesIn     int64          `json:"bytes_in"`
	latencies   []uint32       // microseconds
}

type report struct {
	tally
	Seconds float64 `json:"seconds"`
	Rate    float64 `json:"rps"`
	P50     float64 `json:"p50_ms"`
	P90     float64 `json:"p90_ms"`
	P99     float64 `json:"p99_ms"`
	P999    float64 `json:"p999_ms"`
	Max     float64 `json:"max_ms"`
}

func main() {
	var bodies, headers texts
	flag.Var(&bodies, "body", "file with a request's body; several are sent in turn")
	flag.Var(&headers, "header", "further header, `Name: value`")
	target := flag.String("url", "", "where to POST to, https only")
	ca := flag.String("ca", "", "PEM file with the certificate authority to trust")
	clients := flag.Int("clients", 8, "connections")
	duration := flag.Duration("duration", 0, "how long to send")
	requests := flag.Int64("requests", 0, "how many requests to send, instead of or besides a duration")
	vary := flag.String("vary", "", "text to replace by a number of as many digits, other for each request")
	renew := flag.Int("renew", 0, "open a new connection after so many requests (0: never)")
	review := flag.Bool("review", false, "answers are AdmissionReviews: count verdicts, and look for the number of -vary")
	timeout := flag.Duration("timeout", 30*time.Second, "how long one request may take")
	flag.Parse()
	if err := run(bodies, headers, *target, *ca, *vary, *clients, &plan{
		renew: *renew, review: *review, limit: *requests, timeout: *timeout,
	}, *duration); err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(2)
	}
}

func run(bodies, headers texts, target, ca, vary string, clients int, p *plan, duration time.Duration) error {
	if duration <= 0 && p.limit <= 0 {
		return fmt.Errorf("give -duration or -requests")
	}
	place, err := url.Parse(target)
	if err != nil || place.Scheme != "https" || place.Port() == "" {
		return fmt.Errorf("-url %q is not https://host:port/path", target)
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s holds no certificate", ca)
	}
	p.address = place.Host
	p.tls = &tls.Config{RootCAs: pool, ServerName: place.Hostname(), NextProtos: []string{"http/1.1"}}
	for _, name := range bodies {
		body, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		p.requests = append(p.requests, newRequest(place, headers, body, vary))
	}
	if len(p.requests) == 0 {
		return fmt.Errorf("give -body")
	}
	p.deadline = time.Now().Add(365 * 24 * time.Hour)
	if duration > 0 {
		p.deadline = time.Now().Add(duration)
	}
	started := time.Now()
	tallies := make([]tally, clients)
	var group sync.WaitGroup
	for i := range tallies {
		group.Go(func() { p.client(i, &tallies[i]) })
	}
	group.Wait()
	return json.NewEncoder(os.Stdout).Encode(summarize(tallies, time.Since(started)))
}

func newRequest(place *url.URL, headers texts, body []byte, vary string) request {
	var text bytes.Buffer
	fmt.Fprintf(&text, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: loadgen\r\nContent-Length: %d\r\n"+
		"Content-Type: application/json\r\nAccept: application/json\r\n", place.RequestURI(), place.Host, len(body))
	for _, header := range headers {
		text.WriteString(header + "\r\n")
	}
	text.WriteString("\r\n")
	text.Write(body)
	made := request{text: text.Bytes()}
	for from := 0; vary != ""; {
		at := bytes.Index(made.text[from:], []byte(vary))
		if at < 0 {
			break
		}
		made.offsets = append(made.offsets, from+at)
		from += at + len(vary)
	}
	return made
}

// client sends requests one after another until the deadline or the limit.
func (p *plan) client(index int, t *tally) {
	t.Statuses = map[string]int{}
	own := make([]request, len(p.requests)) // each client writes its numbers into a copy of its own
	width := len(flag.Lookup("vary").Value.String())
	for i, shared := range p.requests {
		own[i] = request{slices.Clone(shared.text), shared.offsets}
	}
	var connection net.Conn
	var reader *bufio.Reader
	defer func() {
		if connection != nil {
			connection.Close()
		}
	}()
	buffer := make([]byte, 0, 64*1024)
	for turn, onConnection := index, 0; ; turn++ {
		number := p.sent.Add(1)
		if (p.limit > 0 && number > p.limit) || !time.Now().Before(p.deadline) {
			return
		}
		digits := fmt.Appendf(nil, "%0*d", width, number)
		next := own[turn%len(own)]
		for _, at := range next.offsets {
			copy(next.text[at:at+width], digits[len(digits)-width:])
		}
		started := time.Now()
		if connection == nil {
			dialer := tls.Dialer{Config: p.tls, NetDialer: &net.Dialer{Timeout: p.timeout}}
			opened, err := dialer.Dial("tcp", p.address)
			if err != nil {
				t.failed(err)
				time.Sleep(10 * time.Millisecond) // a server that is gone must not make this a busy loop
				continue
			}
			connection, reader, onConnection = opened, bufio.NewReaderSize(opened, 32*1024), 0
			t.Connections++
		}
		connection.SetDeadline(started.Add(p.timeout))
		answer, body, err := exchange(connection, reader, next.text, buffer[:0])
		buffer = body
		if err != nil {
			t.failed(err)
			connection.Close()
			connection = nil
			continue
		}
		t.latencies = append(t.latencies, uint32(min(time.Since(started).Microseconds(), 1<<32-1)))
		t.count(answer, body, digits, p.review, len(next.offsets) > 0)
		if onConnection++; answer.Close || (p.renew > 0 && onConnection >= p.renew) {
			connection.Close()
			connection = nil
		}
	}
}

func exchange(connection net.Conn, reader *bufio.Reader, text, buffer []byte) (*http.Response, []byte, error) {
	if _, err := connection.Write(text); err != nil {
		return nil, buffer, err
	}
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		return nil, buffer, err
	}
	body := bytes.NewBuffer(buffer)
	_, err = io.Copy(body, answer.Body)
	answer.Body.Close()
	return answer, body.Bytes(), err
}

func (t *tally) failed(err error) {
	t.Errors++
	if t.FirstError == "" {
		t.FirstError = err.Error()
	}
}

func (t *tally) count(answer *http.Response, body, digits []byte, review, numbered bool) {
	t.Requests++
	t.BytesIn += int64(len(body))
	t.Statuses[answer.Status[:3]]++
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		t.NonSuccess++
		if t.FirstRefuse == "" {
			t.FirstRefuse = string(body[:min(len(body), 500)])
		}
		return
	}
	if !review {
		return
	}
	switch {
	case bytes.Contains(body, []byte(`"allowed":true`)):
		t.Allowed++
	case bytes.Contains(body, []byte(`"allowed":false`)):
		t.Denied++
	default:
		t.Mismatched++
	}
	if numbered && !bytes.Contains(body, digits) {
		t.Mismatched++
	}
}

func summarize(tallies []tally, elapsed time.Duration) report {
	all := report{tally: tally{Statuses: map[string]int{}}, Seconds: elapsed.Seconds()}
	for _, t := range tallies {
		all.Requests += t.Requests
		all.Allowed += t.Allowed
		all.Denied += t.Denied
		all.NonSuccess += t.NonSuccess
		all.Mismatched += t.Mismatched
		all.Errors += t.Errors
		all.Connections += t.Connections
		all.BytesIn += t.BytesIn
		for status, count := range t.Statuses {
			all.Statuses[status] += count
		}
		if all.FirstError == "" {
			all.FirstError = t.FirstError
		}
		if all.FirstRefuse == "" {
			all.FirstRefuse = t.FirstRefuse
		}
		all.latencies = append(all.latencies, t.latencies...)
	}
	slices.Sort(all.latencies)
	at := func(share float64) float64 {
		if len(all.latencies) == 0 {
			return 0
		}
		return float64(all.latencies[min(int(share*float64(len(all.latencies))), len(all.latencies)-1)]) / 1000
	}
	all.Rate = float64(all.Requests) / all.Seconds
	all.P50, all.P90, all.P99, all.P999, all.Max = at(.5), at(.9), at(.99), at(.999), at(1)
	return all
}
