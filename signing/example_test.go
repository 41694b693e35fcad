package signing_test

import (
	"fmt"

	"github.com/gopulp/pulp/signing"
)

// A key that cannot sign is refused when the service is made, not when something is published.
func ExampleOpenPGP() {
	_, err := signing.OpenPGP("releases", "no key", nil)
	fmt.Println(err)
	// Output:
	// signing service releases: read private key: openpgp: invalid argument: no armored data found
}
