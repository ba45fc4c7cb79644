package functions

import (
	ctyyaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// definitions is every function that needs nothing but its arguments.
func definitions() map[string]definition {
	return map[string]definition{
		// numbers
		"abs":      {f: stdlib.AbsoluteFunc},
		"ceil":     {f: stdlib.CeilFunc},
		"floor":    {f: stdlib.FloorFunc},
		"max":      {f: stdlib.MaxFunc},
		"min":      {f: stdlib.MinFunc},
		"parseint": {f: stdlib.ParseIntFunc, before: beforeParseInt},
		"pow":      {f: stdlib.PowFunc},
		"signum":   {f: stdlib.SignumFunc},
		"sum":      {f: sumFunc},

		// text
		"chomp":       {f: stdlib.ChompFunc},
		"endswith":    {f: textTest("suffix", hasSuffix)},
		"format":      {f: stdlib.FormatFunc, before: beforeFormat},
		"formatlist":  {f: stdlib.FormatListFunc, before: beforeFormatList, makes: true},
		"indent":      {f: stdlib.IndentFunc, before: beforeIndent},
		"join":        {f: stdlib.JoinFunc, before: beforeJoin},
		"lower":       {f: stdlib.LowerFunc},
		"regex":       {f: stdlib.RegexFunc, before: beforeRegex},
		"regexall":    {f: stdlib.RegexAllFunc, before: beforeRegexAll, makes: true},
		"replace":     {f: replaceFunc, before: beforeReplace},
		"split":       {f: stdlib.SplitFunc, before: beforeSplit, makes: true},
		"startswith":  {f: textTest("prefix", hasPrefix)},
		"strcontains": {f: textTest("substr", contains)},
		"strrev":      {f: stdlib.ReverseFunc},
		"substr":      {f: stdlib.SubstrFunc},
		"title":       {f: stdlib.TitleFunc},
		"trim":        {f: stdlib.TrimFunc},
		"trimprefix":  {f: stdlib.TrimPrefixFunc},
		"trimspace":   {f: stdlib.TrimSpaceFunc},
		"trimsuffix":  {f: stdlib.TrimSuffixFunc},
		"upper":       {f: stdlib.UpperFunc},

		// collections
		"alltrue":         {f: allFunc},
		"anytrue":         {f: anyFunc},
		"chunklist":       {f: stdlib.ChunklistFunc, makes: true},
		"coalesce":        {f: coalesceFunc},
		"coalescelist":    {f: stdlib.CoalesceListFunc},
		"compact":         {f: stdlib.CompactFunc, makes: true},
		"concat":          {f: stdlib.ConcatFunc, makes: true},
		"contains":        {f: stdlib.ContainsFunc},
		"distinct":        {f: distinctFunc, makes: true},
		"element":         {f: stdlib.ElementFunc},
		"flatten":         {f: stdlib.FlattenFunc, makes: true},
		"index":           {f: indexFunc},
		"keys":            {f: stdlib.KeysFunc, makes: true},
		"length":          {f: lengthFunc},
		"lookup":          {f: lookupFunc},
		"matchkeys":       {f: matchkeysFunc, makes: true},
		"merge":           {f: stdlib.MergeFunc, makes: true},
		"one":             {f: oneFunc},
		"range":           {f: stdlib.RangeFunc, makes: true},
		"reverse":         {f: stdlib.ReverseListFunc, makes: true},
		"setintersection": {f: stdlib.SetIntersectionFunc, makes: true},
		"setproduct":      {f: stdlib.SetProductFunc, before: beforeSetProduct, makes: true},
		"setsubtract":     {f: stdlib.SetSubtractFunc, makes: true},
		"setunion":        {f: stdlib.SetUnionFunc, makes: true},
		"slice":           {f: stdlib.SliceFunc, makes: true},
		"sort":            {f: stdlib.SortFunc, makes: true},
		"transpose":       {f: transposeFunc, before: beforeTranspose, makes: true},
		"values":          {f: stdlib.ValuesFunc, makes: true},
		"zipmap":          {f: stdlib.ZipmapFunc, makes: true},

		// types
		"tobool":   {f: stdlib.MakeToFunc(cty.Bool)},
		"tolist":   {f: toFunc(cty.List(cty.DynamicPseudoType))},
		"tomap":    {f: toFunc(cty.Map(cty.DynamicPseudoType))},
		"tonumber": {f: stdlib.MakeToFunc(cty.Number), before: beforeToNumber},
		"toset":    {f: toFunc(cty.Set(cty.DynamicPseudoType))},
		"tostring": {f: stdlib.MakeToFunc(cty.String)},

		// encodings and digests
		"base64decode": {f: base64DecodeFunc},
		"base64encode": {f: base64EncodeFunc},
		"base64sha256": {f: base64SHA256Func},
		"csvdecode":    {f: stdlib.CSVDecodeFunc, before: beforeDecode, makes: true},
		"jsondecode":   {f: stdlib.JSONDecodeFunc, before: beforeDecode, makes: true},
		"jsonencode":   {f: stdlib.JSONEncodeFunc, before: beforeEncode},
		"sha256":       {f: sha256Func},
		"urlencode":    {f: urlEncodeFunc},
		"yamldecode":   {f: ctyyaml.YAMLDecodeFunc, before: beforeYAMLDecode, makes: true},
		"yamlencode":   {f: ctyyaml.YAMLEncodeFunc, before: beforeEncode},

		// networks
		"cidrcontains": {f: cidrContainsFunc},
		"cidrhost":     {f: cidrHostFunc},
		"cidrnetmask":  {f: cidrNetmaskFunc},
		"cidrsubnet":   {f: cidrSubnetFunc},
		"cidrsubnets":  {f: cidrSubnetsFunc, makes: true},

		// paths, as text
		"basename": {f: basenameFunc},
		"dirname":  {f: dirnameFunc},

		// time, as text
		"formatdate": {f: stdlib.FormatDateFunc},
		"timeadd":    {f: stdlib.TimeAddFunc},

		// sensitive values
		"issensitive":  {f: issensitiveFunc},
		"nonsensitive": {f: nonsensitiveFunc},
	}
}
