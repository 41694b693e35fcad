package deb_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/pulptest"
)

// A started task is what operations answer that start one.
type started struct{ Task, State string }

// ended calls an operation that starts a task, and says how that has ended.
func ended(app *pulp.App, path string, body object) (state string) {
	var task started
	call(app, "POST", path, body, &task)
	return task.ended(app)
}

// ended waits until the task has ended.
func (task started) ended(app *pulp.App) (state string) {
	for task.State != "completed" && task.State != "failed" {
		call(app, "GET", task.Task, nil, &task)
	}
	return task.State
}

// made makes an object, and is its href.
func made(app *pulp.App, path string, body object) string {
	var m struct {
		Href string `json:"pulp_href"`
	}
	call(app, "POST", path, body, &m)
	return m.Href
}

// serves says with what code an App answers for some paths below its content.
func serves(app *pulp.App, paths ...string) {
	for _, path := range paths {
		w := httptest.NewRecorder()
		httpapi.Handler(app).ServeHTTP(w, httptest.NewRequest("GET", "/pulp/content/"+path, nil))
		fmt.Println(path, w.Code)
	}
}

// A repository whose publications are made by hand has the distributions that they ask for: simple ones
// have "default", in which are all packages.
func ExamplePublication() {
	app, closeAll := openExample()
	defer closeAll()
	repo := made(app, "repositories/deb/apt/", object{"name": "tools"})
	made(app, "distributions/deb/apt/", object{"name": "tools", "base_path": "tools", "repository": repo})
	for _, simple := range []bool{false, true} {
		fmt.Println(ended(app, "publications/deb/apt/", object{"repository": repo, "simple": simple}))
		serves(app, "tools/dists/default/Release")
	}
	// Output:
	// completed
	// tools/dists/default/Release 404
	// completed
	// tools/dists/default/Release 200
}

// A repository with autopublish publishes what was uploaded at once. The form says which distribution and component
// the package comes into.
func ExampleRepository() {
	app, closeAll := openExample()
	defer closeAll()
	repo := made(app, "repositories/deb/apt/", object{"name": "tools", "autopublish": true})
	made(app, "distributions/deb/apt/", object{"name": "tools", "base_path": "tools", "repository": repo})
	server := httptest.NewServer(httpapi.Handler(app))
	defer server.Close()
	file := pack(must(tarOf("./control", "Package: hello\nVersion: 1.0\nArchitecture: amd64\n")), must(tarOf("./hello", "hello")))
	form := pulptest.Form{"file": file, "repository": repo, "distribution": "stable"}
	answer := must(pulptest.NewClient(server.URL, "admin", "secret").Try("POST", "content/deb/packages/", form))
	var task started
	if err := json.Unmarshal(answer.Body, &task); err != nil {
		panic(err)
	}
	fmt.Println(task.ended(app))
	serves(app, "tools/pool/upload/h/hello/hello_1.0_amd64.deb", "tools/dists/stable/main/binary-amd64/Packages.gz")
	// Output:
	// completed
	// tools/pool/upload/h/hello/hello_1.0_amd64.deb 200
	// tools/dists/stable/main/binary-amd64/Packages.gz 200
}

// A sync brings in what Release says of the distribution, and the packages of its indexes. With optimize it does nothing
// when Release says the same as the last time.
func ExampleSyncArgs() {
	index := "Package: hello\nVersion: 1.0\nArchitecture: amd64\nFilename: hello.deb\nSize: 5\nSHA256: " + fmt.Sprintf("%x", sha256.Sum256([]byte("hello"))) + "\n"
	release := fmt.Sprintf("Suite: stable\nCodename: fine\nComponents: main\nArchitectures: amd64\nSHA256:\n %x %d main/binary-amd64/Packages\n", sha256.Sum256([]byte(index)), len(index))
	files, asked := map[string]string{"/dists/fine/InRelease": release, "/dists/fine/main/binary-amd64/Packages": index}, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		fmt.Fprint(w, files[r.URL.Path])
	}))
	defer server.Close()
	app, closeAll := openExample()
	defer closeAll()
	remote := made(app, "remotes/deb/apt/", object{"name": "up", "url": server.URL, "distributions": "fine", "policy": "on_demand"})
	repo := made(app, "repositories/deb/apt/", object{"name": "mirror"})
	for _, optimize := range []bool{true, true, false} {
		asked = 0
		fmt.Println(ended(app, repo+"sync/", object{"remote": remote, "optimize": optimize}), asked)
	}
	var packages, releases, places struct{ Results []object }
	call(app, "GET", "content/deb/packages/", nil, &packages)
	call(app, "GET", "content/deb/releases/", nil, &releases)
	call(app, "GET", "content/deb/package_release_components/", nil, &places)
	fmt.Println(packages.Results[0].Text("package"), places.Results[0].Text("distribution"), places.Results[0].Text("component"), releases.Results[0].Text("suite"))
	// Output:
	// completed 2
	// completed 1
	// completed 2
	// hello fine main stable
}
