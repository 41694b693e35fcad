// Command pocketbase compares the API with PocketBase doing the same with one collection: lists of
// 100 of 10,000 repositories, reading, creating and changing one, over HTTP connections that stay
// open, 1 and 16 of them. Both check who asks (a password here, a token there), keep their rows in
// SQLite by the same driver with synchronous=NORMAL, and are asked by turns; the medians count. It
// is a module of its own, so that nobody who uses the library gets PocketBase with it.
//
//	cd bench/pocketbase && go run . -n 3000
//
// PocketBase is as it comes, but for its log of requests, which is off.
package main

import (
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"time"

	"github.com/gopulp/pulp/internal/httpload"
)

const repositories = 10_000

func main() {
	n := flag.Int("n", 3000, "requests in each run")
	rounds := flag.Int("rounds", 3, "runs of each; the medians count")
	flag.Parse()
	if err := compare(*n, *rounds); err != nil {
		log.Fatal(err)
	}
}

// A side is one of the two servers with its 10,000 repositories.
type side struct {
	handler       http.Handler
	authorization string
	path          string // of the collection
	list          string // path and query of a page of 100
	created       int    // the code of an answer to POST
	changed       int    // the code of an answer to PATCH
	close         func()

	addr  string
	hrefs []string
	made  int
}

func compare(n, rounds int) error {
	ours, err := openPulp()
	if err != nil {
		return err
	}
	defer ours.close()
	theirs, err := openPocketBase()
	if err != nil {
		return err
	}
	defer theirs.close()
	for _, s := range []*side{ours, theirs} {
		server := httptest.NewServer(s.handler)
		defer server.Close()
		s.addr = server.Listener.Addr().String()
		if err := s.fill(); err != nil {
			return err
		}
	}
	for _, op := range []string{"list", "read", "create", "patch"} {
		for _, connections := range []int{1, 16} {
			var rates [2][]float64
			for range rounds {
				for i, s := range []*side{ours, theirs} {
					rate, err := s.rate(op, connections, n)
					if err != nil {
						return err
					}
					rates[i] = append(rates[i], rate)
				}
			}
			x, y := median(rates[0]), median(rates[1])
			fmt.Printf("%-6s %2d connections   pulp/s %6.0f   pocketbase/s %6.0f   ratio %.1f\n", op, connections, x, y, x/y)
		}
	}
	return nil
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// fill makes the repositories.
func (s *side) fill() error {
	c, err := httpload.Dial(s.addr, s.authorization)
	if err != nil {
		return err
	}
	defer c.Close()
	for range repositories {
		body, err := c.Do(s.request("create", 0), true)
		if err != nil {
			return err
		}
		href, err := hrefOf(s.path, body)
		if err != nil {
			return err
		}
		s.hrefs = append(s.hrefs, href)
	}
	return nil
}

// rate is how many requests are answered in a second.
func (s *side) rate(op string, connections, n int) (float64, error) {
	requests := make([]httpload.Request, n)
	for i := range requests {
		requests[i] = s.request(op, i)
	}
	begun := time.Now()
	errs := httpload.SendAll(s.addr, s.authorization, connections, requests)
	return float64(n) / time.Since(begun).Seconds(), errors.Join(errs...)
}

func (s *side) request(op string, i int) httpload.Request {
	s.made++
	switch op {
	case "list":
		return httpload.Request{Method: "GET", Path: s.list, Code: 200}
	case "read":
		return httpload.Request{Method: "GET", Path: s.href(i), Code: 200}
	case "create":
		body := fmt.Sprintf(`{"name":"repository-%d","description":"A description of moderate length.","pulp_labels":{"env":"prod"}}`, s.made)
		return httpload.Request{Method: "POST", Path: s.path, Body: body, Code: s.created}
	}
	return httpload.Request{Method: "PATCH", Path: s.href(i), Body: fmt.Sprintf(`{"description":"changed %d"}`, s.made), Code: s.changed}
}

// href spreads requests over the repositories.
func (s *side) href(i int) string { return s.hrefs[i*7919%len(s.hrefs)] }

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}
