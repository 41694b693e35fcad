package pulp_test

import (
	"encoding/json"
	"fmt"

	"github.com/gopulp/pulp"
)

// The fields of a type were title and artist in its first release. Since the second one they are name and
// year. The list is the type's field Upgrade, and only grows.
func ExampleUpgrade() {
	steps := []pulp.Upgrade{
		pulp.Renamed("title", "name"),
		pulp.Dropped("artist"),
		pulp.Added("year", 1900),
	}
	detail := map[string]json.RawMessage{"title": json.RawMessage(`"Blue"`), "artist": json.RawMessage(`"Joni"`)}
	for _, step := range steps {
		if err := step(detail); err != nil {
			fmt.Println(err)
		}
	}
	text, _ := json.Marshal(detail) // of what is JSON already
	fmt.Println(string(text))
	// Output: {"name":"Blue","year":1900}
}
