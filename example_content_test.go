package pulp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strconv"
	"strings"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/pulptest"
)

// Volume is a unit with a number that is text in the API.
type Volume struct {
	Number string `json:"number" pulp:"key,slot,filter" doc:"Which volume it is."`
	Place  string `json:"number_rank" pulp:"hidden"`
}

// place is where a volume stands: texts of the same length are in the order of their numbers.
func place(number string) (string, error) {
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return "", fmt.Errorf("%q is no number of a volume", number)
	}
	return fmt.Sprintf("%05d", n), nil
}

// As texts, "9" is behind "10".
func ExampleRank() {
	ctx := context.Background()
	volumes := &pulp.ContentType[Volume]{
		Name: "volume", Path: "volumes", FilePath: func(v *Volume) string { return v.Number },
		Ranks: []pulp.Rank{{Field: "number", By: "number_rank", Of: place}},
	}
	app, end := exampleOf(pulp.Config{Plugins: []pulp.Plugin{{Name: "shelf", Version: "1.0.0", Parts: []pulp.Part{volumes}}}})
	defer end()
	for _, number := range []string{"2", "9", "10"} {
		f, err := app.Receive(ctx, strings.NewReader("volume "+number))
		check(err)
		rank, err := place(number)
		check(err)
		_, err = app.SaveUnits(ctx, volumes.Unit(Volume{number, rank}, pulp.Remotely{Bytes: f}))
		check(err)
	}
	var list struct{ Results []Volume }
	check(app.Call(ctx, "GET", "content/shelf/volumes/?number__gt=2&ordering=pulp_created", nil, &list))
	for _, v := range list.Results {
		fmt.Println(v.Number)
	}
	fmt.Println(app.Call(ctx, "GET", "content/shelf/volumes/?number__gt=two", nil, nil))
	// Output:
	// 9
	// 10
	// GET content/shelf/volumes/?number__gt=two: number__gt: "two" is no number of a volume.
}

// Whoever has a mirror of another program moves here with its configuration.
func ExampleRemoteImport() {
	remotes := &pulp.RemoteType[pulp.None]{Name: "shelf", Policy: pulp.OnDemand, Imports: []pulp.RemoteImport{{
		Name: "from_list", File: "list",
		Read: func(file []byte) (map[string]any, error) {
			url, ok := strings.CutPrefix(string(file), "deb ")
			if !ok {
				return nil, fmt.Errorf("it begins with %.10q, not with \"deb\"", file)
			}
			return map[string]any{"url": url}, nil
		},
	}}}
	app, end := exampleOf(pulp.Config{Plugins: []pulp.Plugin{{Name: "shelf", Version: "1.0.0", Parts: []pulp.Part{remotes}}}, AdminPassword: "secret"})
	defer end()
	server := httptest.NewServer(httpapi.Handler(app))
	defer server.Close()
	for _, file := range []string{"deb http://deb.example.org/debian", "rpm"} {
		a, err := pulptest.NewClient(server.URL, "admin", "secret").Try("POST", "remotes/shelf/shelf/from_list/", pulptest.Form{"name": "debian", "list": []byte(file)})
		check(err)
		var made struct {
			URL, Policy string
			List        []string
		}
		check(json.Unmarshal(a.Body, &made))
		fmt.Println(a.Code, made.URL, made.Policy, made.List)
	}
	// Output:
	// 201 http://deb.example.org/debian on_demand []
	// 400   [it begins with "rpm", not with "deb"]
}
