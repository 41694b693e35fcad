package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/gopulp/pulp/internal/blob"
	"github.com/gopulp/pulp/internal/fetch"
)

func ExampleClient_Fetch() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
	defer server.Close()
	client, err := fetch.New(fetch.Config{TLSValidation: true})
	if err != nil {
		panic(err)
	}
	defer client.Close()

	var buf *fetch.Buffer
	req := fetch.Request{URLs: []string{server.URL}, Size: 5}
	res, err := client.Fetch(context.Background(), req, func() (fetch.Sink, error) {
		buf = fetch.NewBuffer(blob.SHA256)
		return buf, nil
	})
	fmt.Printf("%s %s %v\n", buf.Bytes(), res.Sums.SHA256[:8], err)

	req.Digests = map[string]string{"sha256": "0000"}
	_, err = client.Fetch(context.Background(), req, func() (fetch.Sink, error) { return fetch.NewBuffer(0), nil })
	fmt.Println(errors.Is(err, fetch.ErrDigest))
	// Output:
	// hello 2cf24dba <nil>
	// true
}
