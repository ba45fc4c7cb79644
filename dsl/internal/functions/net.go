package functions

import (
	"errors"
	"math/big"
	"net/netip"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/gocty"
)

var prefixParam = function.Parameter{Name: "prefix", Type: cty.String}

// prefix is the network in args[i], without host bits.
func prefix(args []cty.Value, i int) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(args[i].AsString())
	if err != nil {
		return p, function.NewArgErrorf(i, "%q is no network such as 10.0.0.0/16", args[i].AsString())
	}
	return p.Masked(), nil
}

// whole is the whole number in args[i], from lo to hi.
func whole(args []cty.Value, i, lo, hi int) (int, error) {
	var n int
	if err := gocty.FromCtyValue(args[i], &n); err != nil || n < lo || n > hi {
		return 0, function.NewArgErrorf(i, "a whole number from %d to %d is required", lo, hi)
	}
	return n, nil
}

// add is the address n after that of p; false outside p.
func add(p netip.Prefix, n *big.Int) (netip.Addr, bool) {
	bytes := p.Addr().AsSlice()
	sum := new(big.Int).Add(new(big.Int).SetBytes(bytes), n)
	if sum.Sign() < 0 || sum.BitLen() > 8*len(bytes) {
		return netip.Addr{}, false
	}
	addr, _ := netip.AddrFromSlice(sum.FillBytes(bytes))
	return addr, p.Contains(addr)
}

// size is the number of addresses in p.
func size(p netip.Prefix) *big.Int {
	return new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()))
}

// integer is the whole number in v.
func integer(v cty.Value) (*big.Int, bool) {
	f := v.AsBigFloat()
	if !f.IsInt() || f.MantExp(nil) > 200 {
		return nil, false
	}
	n, _ := f.Int(nil)
	return n, true
}

var cidrHostFunc = function.New(&function.Spec{
	Description: "The address with a number in a network; a negative one counts from the end.",
	Params:      []function.Parameter{prefixParam, {Name: "hostnum", Type: cty.Number}},
	Type:        function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		p, err := prefix(args, 0)
		if err != nil {
			return cty.NilVal, err
		}
		n, ok := integer(args[1])
		if !ok {
			return cty.NilVal, function.NewArgErrorf(1, "a whole number is required")
		}
		if n.Sign() < 0 {
			n = new(big.Int).Add(size(p), n)
		}
		addr, ok := add(p, n)
		if !ok {
			return cty.NilVal, function.NewArgErrorf(1, "the network %s has no such address", p)
		}
		return cty.StringVal(addr.String()), nil
	},
})

var cidrNetmaskFunc = function.New(&function.Spec{
	Description: "The mask of an IPv4 network, such as 255.255.0.0.",
	Params:      []function.Parameter{prefixParam},
	Type:        function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		p, err := prefix(args, 0)
		if err != nil {
			return cty.NilVal, err
		}
		if !p.Addr().Is4() {
			return cty.NilVal, function.NewArgErrorf(0, "IPv6 networks have no mask")
		}
		all := netip.AddrFrom4([4]byte{255, 255, 255, 255})
		return cty.StringVal(netip.PrefixFrom(all, p.Bits()).Masked().Addr().String()), nil
	},
})

var cidrSubnetFunc = function.New(&function.Spec{
	Description: "The part with a number of a network that is divided by so many bits.",
	Params:      []function.Parameter{prefixParam, {Name: "newbits", Type: cty.Number}, {Name: "netnum", Type: cty.Number}},
	Type:        function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		p, err := prefix(args, 0)
		if err != nil {
			return cty.NilVal, err
		}
		bits, err := whole(args, 1, 0, p.Addr().BitLen()-p.Bits())
		if err != nil {
			return cty.NilVal, err
		}
		n, ok := integer(args[2])
		if !ok || n.Sign() < 0 || n.BitLen() > bits {
			return cty.NilVal, function.NewArgErrorf(2, "%d bits have no such part", bits)
		}
		each := netip.PrefixFrom(p.Addr(), p.Bits()+bits)
		addr, ok := add(p, n.Mul(n, size(each)))
		if !ok {
			return cty.NilVal, errors.New("the part lies outside the network")
		}
		return cty.StringVal(netip.PrefixFrom(addr, each.Bits()).String()), nil
	},
})

var cidrSubnetsFunc = function.New(&function.Spec{
	Description: "Parts of a network that follow each other, of so many bits more than it has.",
	Params:      []function.Parameter{prefixParam},
	VarParam:    &function.Parameter{Name: "newbits", Type: cty.Number},
	Type:        function.StaticReturnType(cty.List(cty.String)),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		p, err := prefix(args, 0)
		if err != nil {
			return cty.NilVal, err
		}
		next, parts := new(big.Int), []cty.Value{}
		for i := 1; i < len(args); i++ {
			bits, err := whole(args, i, 0, p.Addr().BitLen()-p.Bits())
			if err != nil {
				return cty.NilVal, err
			}
			each := size(netip.PrefixFrom(p.Addr(), p.Bits()+bits))
			if rest := new(big.Int).Mod(next, each); rest.Sign() > 0 {
				next.Add(next, each).Sub(next, rest)
			}
			addr, ok := add(p, next)
			if !ok {
				return cty.NilVal, function.NewArgErrorf(i, "the network %s has no room for this part", p)
			}
			parts = append(parts, cty.StringVal(netip.PrefixFrom(addr, p.Bits()+bits).String()))
			next.Add(next, each)
		}
		if len(parts) == 0 {
			return cty.ListValEmpty(cty.String), nil
		}
		return cty.ListVal(parts), nil
	},
})

var cidrContainsFunc = function.New(&function.Spec{
	Description: "Reports whether a network contains an address, or the whole of another network.",
	Params:      []function.Parameter{prefixParam, {Name: "other", Type: cty.String}},
	Type:        function.StaticReturnType(cty.Bool),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		p, err := prefix(args, 0)
		if err != nil {
			return cty.NilVal, err
		}
		if addr, err := netip.ParseAddr(args[1].AsString()); err == nil {
			return cty.BoolVal(p.Contains(addr.WithZone(""))), nil
		}
		other, err := prefix(args, 1)
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(1, "%q is no address and no network", args[1].AsString())
		}
		return cty.BoolVal(p.Contains(other.Addr()) && other.Bits() >= p.Bits()), nil
	},
})
