package pulp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/internal/schema"
	"github.com/uptrace/bun"
)

// The models of a host, one of each sort: with Base, with a number, a text and a UUID as key.
type (
	Order struct {
		bun.BaseModel `bun:"table:shop_order,alias:o"`
		pulp.Base
		pulp.Named
		State    string          `bun:"state" json:"state" default:"new" validate:"oneof=new paid sent" pulp:"filter"`
		Note     *string         `bun:"note" json:"note" validate:"omitempty,min=2,max=20"`
		Raw      string          `bun:"raw" json:"raw" pulp:"raw,blank" default:""`
		Token    *pulp.Secret    `bun:"token" json:"token"`
		Serial   *string         `bun:"serial" json:"serial" pulp:"immutable,unique"`
		Amount   int64           `bun:"amount" json:"amount" default:"1" validate:"min=1,max=1000" pulp:"filter"`
		Small    uint8           `bun:"small" json:"small" default:"0"`
		Price    *float64        `bun:"price" json:"price" pulp:"filter"`
		Gift     bool            `bun:"gift" json:"gift" default:"false" pulp:"filter"`
		Link     *string         `bun:"link" json:"link" validate:"omitempty,url"`
		Tags     []string        `bun:"tags,type:json" json:"tags" default:"[]" validate:"max=3,dive,max=9"`
		Extra    map[string]int  `bun:"extra,type:json" json:"extra" default:"{}"`
		Address  Address         `bun:"address,type:json" json:"address" default:"{}"`
		Anything json.RawMessage `bun:"anything,type:json" json:"anything" default:"null"`
		Blob     []byte          `bun:"blob" json:"blob" default:""`
		Due      *pulp.Time      `bun:"due" json:"due" pulp:"filter"`
		Paid     *time.Time      `bun:"paid" json:"paid"`
		Trace    *uuid.UUID      `bun:"trace,type:text" json:"trace"`
		Buyer    *int64          `bun:"buyer_id" json:"buyer" pulp:"ref=shop/buyers,filter"`
		Remote   *int64          `bun:"remote_id" json:"remote" pulp:"ref=remote,filter"`
		Refers   string          `bun:"refers" json:"-"`
	}
	Address struct {
		Street string `json:"street"`
		Number int    `json:"number"`
	}
	Buyer struct {
		bun.BaseModel `bun:"table:shop_buyer,alias:b"`
		Key           int64  `bun:"key,pk,autoincrement" json:"-"`
		Email         string `bun:"email" json:"email" validate:"required,email" pulp:"filter"`
		City          string `bun:"city" json:"city" pulp:"blank,immutable" default:""`
		Street        string `bun:"street" json:"street" pulp:"blank" default:""`
	}
	Coupon struct {
		bun.BaseModel `bun:"table:shop_coupon,alias:cp"`
		Code          string `bun:"code,pk" json:"code" validate:"required" pulp:"immutable,filter"`
		Percent       int64  `bun:"percent" json:"percent" validate:"required,min=0,max=100" pulp:"filter"`
	}
	Parcel struct {
		bun.BaseModel `bun:"table:shop_parcel,alias:pa"`
		Number        uuid.UUID `bun:"number,pk,type:text" json:"number" pulp:"immutable"`
		Weight        int64     `bun:"weight" json:"weight" default:"1"`
	}
	Probe struct {
		Depth int    `json:"depth" default:"3" validate:"min=1"`
		Word  string `json:"word" validate:"required"`
	}
	Report struct {
		Depth int         `json:"depth"`
		Text  string      `json:"text"`
		Token pulp.Secret `json:"token"`
		Buyer *int64      `json:"buyer" pulp:"ref=shop/buyers"`
	}
)

const shopSchema = `
CREATE TABLE shop_order (id INTEGER PRIMARY KEY AUTOINCREMENT, pulp_id BLOB NOT NULL UNIQUE, domain_id INTEGER NOT NULL, created_by INTEGER,
  pulp_created INTEGER NOT NULL, pulp_last_updated INTEGER NOT NULL, name TEXT NOT NULL UNIQUE, pulp_labels TEXT NOT NULL DEFAULT '{}',
  state TEXT NOT NULL, note TEXT, raw TEXT NOT NULL, token TEXT, serial TEXT UNIQUE, amount INTEGER NOT NULL, small INTEGER NOT NULL,
  price REAL, gift INTEGER NOT NULL, link TEXT, tags TEXT, extra TEXT, address TEXT, anything TEXT, blob BLOB, due INTEGER, paid TEXT, trace TEXT,
  buyer_id INTEGER REFERENCES shop_buyer, remote_id INTEGER REFERENCES remote ON DELETE SET NULL, refers TEXT);
CREATE TABLE shop_buyer (key INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL, city TEXT NOT NULL, street TEXT NOT NULL, UNIQUE (city, street));
CREATE TABLE shop_coupon (code TEXT PRIMARY KEY, percent INTEGER NOT NULL);
CREATE TABLE shop_parcel (number TEXT PRIMARY KEY, weight INTEGER NOT NULL);
CREATE TABLE shop_journal (line TEXT NOT NULL);`

var slowProbe = &pulp.Task[Probe, string]{Name: "shop.probe", Run: func(_ context.Context, _ *pulp.Job, in Probe) (string, error) {
	return strings.Repeat(in.Word, in.Depth), nil
}}

// shopParts are declared once, as package variables of a host would be, for all Apps of the tests.
var shopParts = []pulp.Part{slowProbe, orderViews, lateOrderViews, buyerViews, couponViews, parcelViews, lateBuyerViews}

var orderViews = &pulp.ViewSet[Order]{
	Path: "shop/orders",
	Serializer: pulp.Serializer[Order]{
		Validate: func(_ context.Context, _ bun.IDB, old, m *Order) error {
			if m.State == "sent" && old == nil {
				return pulp.FieldErrors{"state": {"Nothing is sent before it is ordered."}}
			}
			return nil
		},
		Computed: []pulp.Computed[Order]{{Name: "total", Value: schema.Value{Type: schema.Number, Format: "double"},
			Values: func(_ context.Context, _ bun.IDB, ms []*Order) ([]any, error) {
				out := make([]any, len(ms))
				for i, m := range ms {
					if m.Price != nil {
						out[i] = *m.Price * float64(m.Amount)
					}
				}
				return out, nil
			}}},
	},
	Scope: func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("o.name <> 'secret'") },
	Allow: func(ctx context.Context, op pulp.Op, m *Order) error {
		if m != nil && m.Name == "locked" && op != pulp.Read {
			return pulp.ErrDenied
		}
		return nil
	},
	Save: func(ctx context.Context, tx bun.Tx, old, m *Order) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO shop_journal VALUES (?)", fmt.Sprintf("saved %s %t", m.Name, old == nil)); err != nil {
			return err
		}
		if m.Amount == 666 {
			return errors.New("the devil is in the journal")
		}
		return nil
	},
	Remove: func(ctx context.Context, tx bun.Tx, m *Order) error {
		if m.Gift {
			return fmt.Errorf("a gift stays: %w", pulp.ErrConflict)
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO shop_journal VALUES (?)", "removed "+m.Name)
		return err
	},
	Actions: []pulp.Action[Order]{
		pulp.Do("probe", func(_ context.Context, m *Order, in Probe) (Report, error) {
			return Report{Depth: in.Depth, Text: m.Name + " <" + in.Word + ">", Token: "hush", Buyer: m.Buyer}, nil
		}),
		pulp.Do("probe_later", func(ctx context.Context, m *Order, in Probe) (*pulp.Ticket[string], error) {
			var t *pulp.Ticket[string]
			return t, pulp.FromContext(ctx).Tx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
				t, err = slowProbe.Dispatch(ctx, tx, in, pulp.Shared(m))
				return err
			})
		}),
		pulp.Do("renew", func(_ context.Context, m *Order, _ struct{}) (*Order, error) { return m, nil }),
	},
}

// The same rows, written by tasks.
var (
	lateOrderViews = &pulp.ViewSet[Order]{Path: "shop/late-orders", Name: "late order", Async: pulp.Create | pulp.Update | pulp.Delete}
	lateBuyerViews = &pulp.ViewSet[Buyer]{Path: "shop/late-buyers", Name: "late buyer", Async: pulp.Create | pulp.Update | pulp.Delete}
)

var (
	buyerViews  = &pulp.ViewSet[Buyer]{Path: "shop/buyers"}
	couponViews = &pulp.ViewSet[Coupon]{Path: "shop/coupons"}
	parcelViews = &pulp.ViewSet[Parcel]{Path: "shop/parcels"}
)
