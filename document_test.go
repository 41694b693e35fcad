package pulp_test

import (
	"fmt"

	"github.com/gopulp/pulp"
)

// Links of a document that a remote delivered lead to servers only.
func ExampleDocument() {
	page := &pulp.Document{URL: "https://example.org/index/a/"}
	for _, link := range []string{"../../files/a.zip#digest", "//other.org/a", "file:///etc/passwd"} {
		fmt.Println(page.Link(link))
	}
	// Output:
	// https://example.org/files/a.zip <nil>
	// https://other.org/a <nil>
	//  "file:///etc/passwd" is no link to a file on a server
}
