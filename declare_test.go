package pulp_test

import (
	"context"
	"testing"

	"github.com/gopulp/pulp"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
)

// Structs with mistakes.
type (
	Inner struct {
		E string `bun:"e" json:"a"`
	}
	wrongTags struct {
		Inner
		bun.BaseModel `bun:"table:wrong"`
		ID            int64   `bun:"id,pk" json:"-"`
		A             string  `bun:"a" json:"a" pulp:"redonly,uniqe"`
		B             string  `bun:"b"`
		C             int64   `bun:"c" json:"c" default:"many"`
		D             string  `bun:"d" json:"d" validate:"oneof=x y" default:"z"`
		F             string  `bun:"f" json:"f" validate:"nosuchrule"`
		G             bool    `bun:"g" json:"g" validate:"min=1"`
		H             string  `bun:"h" json:"h" pulp:"ref=remote"`
		I             int64   `bun:"i" json:"i" pulp:"ref=nothing"`
		J             string  `bun:"j" json:"pulp_href"`
		K             []int   `bun:"k,type:json" json:"k" pulp:"filter"`
		L             string  `bun:"l" json:"l" pulp:"filter=limit"`
		M             string  `bun:"-" json:"m"`
		N             string  `bun:"n" json:"n-n"`
		O             *int64  `bun:"o" json:"o" pulp:"ref=wrong/coupons"`
		P             float64 `bun:"p" json:"p" default:"1e999"`
		Q             string  `bun:"q" json:"q" validate:"dive,oneof=x"`
	}
	twoKeys struct {
		A int64 `bun:"a,pk" json:"a"`
		B int64 `bun:"b,pk" json:"b"`
	}
	noKey  struct{ A int64 }
	oddKey struct {
		K complex64 `bun:"k,pk" json:"-"`
	}
	noTable struct {
		ID   int64  `bun:"id,pk" json:"-"`
		Name string `bun:"name" json:"name"`
	}
	fewColumns struct {
		bun.BaseModel `bun:"table:few"`
		ID            int64  `bun:"id,pk" json:"-"`
		Name          string `bun:"name" json:"name"`
		More          string `bun:"more" json:"more"`
	}
	badBody struct {
		X string `json:"x" pulp:"nonsense"`
	}
)

func TestOpenReportsEveryMistakeTogether(t *testing.T) {
	t.Parallel()
	probe := func(context.Context, *noTable, badBody) (struct{}, error) { return struct{}{}, nil }
	fine := func(context.Context, *noTable, struct{}) (struct{}, error) { return struct{}{}, nil }
	_, err := tryShop(t, shopSchema+"CREATE TABLE few (id INTEGER PRIMARY KEY, name TEXT);", pulp.Config{Parts: []pulp.Part{
		&pulp.ViewSet[wrongTags]{Path: "wrong/tags"},
		&pulp.ViewSet[twoKeys]{Path: "wrong/keys"},
		&pulp.ViewSet[noKey]{Path: "wrong/none"},
		&pulp.ViewSet[oddKey]{Path: "wrong/odd"},
		&pulp.ViewSet[int]{Path: "wrong/int"},
		&pulp.ViewSet[noTable]{Path: "wrong/tables", Actions: []pulp.Action[noTable]{
			pulp.Do("act", probe), {Name: "empty"}, pulp.Do("Act Now", fine), pulp.Do("twice", fine), pulp.Do("twice", fine),
		}},
		&pulp.ViewSet[fewColumns]{Path: "wrong/few", Serializer: pulp.Serializer[fewColumns]{Computed: []pulp.Computed[fewColumns]{{Name: "name"}}}, Filters: []pulp.Filter{{Name: "x"}}},
		&pulp.ViewSet[Coupon]{Path: "wrong/coupons", Async: pulp.Update},
		&pulp.ViewSet[Coupon]{Path: "wrong/coupons2", Ops: pulp.List, Async: pulp.List},
		&pulp.ViewSet[Buyer]{Path: "/Wrong/", Ops: pulp.List, Async: pulp.Delete},
		&pulp.ViewSet[Buyer]{Path: "shop/buyers"},
		&pulp.ViewSet[Buyer]{Path: "shop/buyers", Name: "other"},
		&pulp.ViewSet[Buyer]{Path: "shop/clients"},
		&pulp.ViewSet[Buyer]{Path: "status"},
		&pulp.ViewSet[Buyer]{Path: "tasks", Name: "job"},
	}})
	require.Error(t, err)
	for _, mistake := range []string{
		`wrongTags.A: unknown word "redonly" in the pulp tag`, `unknown word "uniqe"`, "wrongTags.B: has no json tag",
		`wrongTags.C: default "many"`, `wrongTags.d: default: "z" is not a valid choice.`, "is there twice (a)",
		`wrongTags.f: validate "nosuchrule"`, `wrongTags.g: validate "min=1"`, "wrongTags.H: a ref must be an int64",
		`wrongTags.J: the name "pulp_href" is taken`, "wrongTags.K: there is no filter", `wrongTags.l: the filter "limit"`,
		"wrongTags.m: bun knows no column", `wrongTags.N: the name "n-n"`, "wrongTags.P", `wrongTags.q: validate "dive,oneof=x"`,
		`view set "wrong/keys" of twoKeys: needs one primary key, has 2`, `view set "wrong/none" of noKey: needs one primary key, has 0`,
		"the primary key is a complex64", "int is no struct", `action "act": pulp_test.badBody.X: unknown word "nonsense"`,
		`action "empty": make it with Do`, `action "Act Now"`, `the operation id "wrong_tables_twice" is there twice`,
		`there is no table "no_tables"`, `the table "few" lacks the columns more`, `computed field "name": needs a Name and Values`, `filter "x": needs`,
		"Async needs a model whose primary key is an int64", "Async may only have", "the path must be like", "Async has an operation that Ops does not have",
		`the path "shop/buyers" is declared twice`, `the view set at "shop/buyers" has the same name`,
		"GET status/ is there twice", `the path "tasks" is declared twice`, "ref=nothing: there is no such kind",
	} {
		require.Contains(t, err.Error(), mistake)
	}
}
