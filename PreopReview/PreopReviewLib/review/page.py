"""What a reader sees: cases at the left, four views, structures and figures at the right; all from this server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trame.ui.vuetify3 import VAppLayout
from trame.widgets import client, html
from trame.widgets import vuetify3 as v

from PreopReviewLib import NOT_FOR_CLINICAL_USE

if TYPE_CHECKING:
    ReviewSession = Any  # `session.ReviewSession`, which builds this page

PRESETS = (("Liver CT", 180, 70), ("Abdomen CT", 400, 40))
STYLE = """
html, body { overflow: hidden; }
.panel { height: 100%; overflow-y: auto; padding: 10px 12px; font-size: 0.85rem; }
.panel h2 { font-size: 0.95rem; margin: 12px 0 4px; }
.panel table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
.panel td, .panel th { padding: 2px 4px; text-align: left; }
.panel .figure { text-align: right; }
.swatch { flex: none; width: 0.8em; height: 0.8em; border-radius: 50%; margin: 0 6px 0 4px; }
.panel td label { display: flex; align-items: center; line-height: 1.15; }
.panel input { accent-color: #8ab4f8; }
.case { display: block; width: 100%; text-align: left; padding: 6px 8px; border-radius: 4px; }
.case.chosen { background: #31506e; }
.case small { color: #b8c4cf; }
.warn { color: #ffc88a; margin: 2px 0; }
.problem { background: #7a1030; padding: 8px; border-radius: 4px; }
.banner { background: #fff4d6; color: #4d3a00; text-align: center; font-size: 0.8rem; padding: 2px; width: 100%; }
input[type=range] { width: 58px; vertical-align: middle; }
textarea { width: 100%; min-height: 90px; padding: 6px; color: inherit; }
textarea { background: #10161c; border: 1px solid #46535f; }
.tool.on, .decide.on { outline: 2px solid #ffd166; }
.gutter { position: absolute; bottom: 0; left: 0; width: 100%; padding: 0 8px; }
.gutter input[type=range] { width: 100%; }
"""
NOTCH_PX = 100
"""Of a wheel's turn, by which a slice moves one step; a mouse has notches of 100 to 120, a touchpad smaller ones."""
WHEEL = """
(() => {
  const turned = {}, busy = {};
  const send = (view) => {
    const steps = Math.trunc(turned[view] / NOTCH_PX);
    if (busy[view] || !steps) return;
    turned[view] -= steps * NOTCH_PX;
    busy[view] = true;
    window.trame.trigger('turn', [view, steps]).finally(() => { busy[view] = false; send(view); });
  };
  addEventListener('wheel', (event) => {
    const place = event.target.closest && event.target.closest('div:has(> [data-slice])');
    if (!place || event.ctrlKey || event.shiftKey || event.altKey || event.metaKey) return;
    const view = place.querySelector(':scope > [data-slice]').dataset.slice;
    const pixels = event.deltaY * (event.deltaMode === 0 ? 1 : 40);
    event.preventDefault();
    event.stopImmediatePropagation();
    const notches = Math.abs(pixels) >= NOTCH_PX ? Math.round(pixels / NOTCH_PX) * NOTCH_PX : pixels;
    turned[view] = (turned[view] || 0) + notches;
    send(view);
  }, {capture: true, passive: false});
})();
""".replace("NOTCH_PX", str(NOTCH_PX))
"""Turns of the wheel that come in while the last one is still answered become one: the picture never lags behind."""


def build_page(session: ReviewSession) -> None:
    """Makes the page of a session."""
    with VAppLayout(session.server) as layout:
        layout.root.theme = "dark"
        client.Style(STYLE)
        client.Script(WHEEL)
        with v.VSystemBar(color="transparent", height=24, classes="pa-0"):
            html.Div(NOT_FOR_CLINICAL_USE, classes="banner", role="note")
        with v.VNavigationDrawer(permanent=True, location="left", width=250), html.Div(classes="panel", id="cases"):
            _cases(session)
        with v.VNavigationDrawer(permanent=True, location="right", width=360), html.Div(classes="panel", id="figures"):
            _tools(session)
            _structures(session)
            _lesions(session)
        with v.VMain(style="height: 100vh;"), html.Div(style="height: 100%; display: flex;", id="views"):
            session.layout.initialize_layout_grid(layout)
    session.ui = layout


def quiet_gutter(server: Any, view_id: str, view: Any) -> None:
    """Below a slice: a slider through the image."""
    from trame_slicer.app.logic.slice_view_logic import connect_slice_view_slider_to_state

    slider = connect_slice_view_slider_to_state(server, view).name
    with html.Div(classes="gutter", raw_attrs=[f'data-slice="{view_id}"']):
        html.Input(  # Vuetify's takes several times as long to follow, at every step
            type="range",
            min=(slider.min_value,),
            max=(slider.max_value,),
            step=(slider.step,),
            value=(slider.value,),
            input=f"{slider.value} = Number($event.target.value)",
            aria_label=f"Slice of {view_id}",
        )


def _cases(session: ReviewSession) -> None:
    html.Div("{{ problem }}", v_if=("problem",), classes="problem", id="problem", role="alert")
    html.H2("Cases")
    ask = "!edited || window.confirm('Corrections that are not saved will be lost. Go on?')"
    with html.Button(
        v_for="(c, n) in cases",
        key=("c.name",),
        classes=("n === chosen ? 'case chosen' : 'case'",),
        click=f"({ask}) && trigger('open', [n])",
    ):
        html.Span("{{ c.name }} ")
        html.Strong("\u00a0{{ {accepted: '✓', rejected: '✗', undecided: '?'}[c.decision] || '' }}")
        html.Br()
        html.Small("{{ c.others }}")
    html.H2("{{ reader }}")
    html.Textarea(
        v_model=("comment",),
        placeholder="Comment",
        maxlength=10000,
        id="comment",
        aria_label="Comment",
    )
    with html.Div(classes="d-flex flex-wrap", style="gap: 6px; margin-top: 6px;"):
        for words, decision, color in (("Accept", "accepted", "green"), ("Reject", "rejected", "red")):
            v.VBtn(
                words,
                id=decision,
                size="small",
                color=color,
                classes=(f"decision === '{decision}' ? 'decide on' : 'decide'",),
                click=(session.save, f"['{decision}', comment]"),
            )
        v.VBtn("Save", id="save", size="small", click=(session.save, "[decision, comment]"))
    html.P("{{ said }}", id="said", style="margin-top: 6px;")
    html.H2("Read this first", v_if=("warnings.length",))
    html.P("{{ w }}", v_for="w in warnings", key=("w",), classes="warn")
    session.ctrl.trigger("open")(session.open_case)
    session.ctrl.trigger("turn")(session.turn)


def _tools(session: ReviewSession) -> None:
    html.H2("Window and level")
    for name, low, high in (("window", "1", "(gray[1] - gray[0])"), ("level", "gray[0]", "gray[1]")):
        with html.Label(f"{name} ", style="display: block;"):
            html.Input(
                type="range",
                min=(low,),
                max=(high,),
                step=("(gray[1] - gray[0]) / 200",),
                v_model=(name,),
                style="width: 190px;",
                id=name,
            )
            html.Span(f" {{{{ Math.round({name}) }}}}")
    with html.Div(classes="d-flex", style="gap: 6px;", v_if=("is_ct",)):
        for words, window, level in PRESETS:
            v.VBtn(words, size="x-small", click=(session.set_preset, f"[{window}, {level}]"))
    html.H2("Try")
    v.VBtn(
        "{{ t }}",
        v_for="t in tools",
        key=("t",),
        size="x-small",
        classes=("tool_shown === t ? 'tool on try' : 'tool try'",),
        click=(session.toggle_tool, "[t]"),
    )
    with html.Table(v_if=("tool_rows.length",), id="tool"), html.Tr(v_for="r in tool_rows", key=("r[0]",)):
        html.Td("{{ r[0] }}")
        html.Td("{{ r[1] }}", classes="figure")
    html.H2("Correct")
    with html.Div(classes="d-flex flex-wrap align-center", style="gap: 6px;"):
        for words, tool in (("Paint", "paint"), ("Erase", "erase")):
            v.VBtn(
                words,
                id=tool,
                size="x-small",
                classes=(f"painting === '{tool}' ? 'tool on' : 'tool'",),
                click=f"tool = tool === '{tool}' ? '' : '{tool}'",
            )
        v.VBtn("Undo", id="undo", size="x-small", disabled=("!can_undo",), click=session.undo)
        html.Input(type="range", min=2, max=40, v_model=("brush",), id="brush")
        html.Span("{{ brush }} mm")


def _structures(session: ReviewSession) -> None:
    html.H2("Structures")
    with html.Table(id="structures"):
        with html.Tr():
            for head in ("", "structure", "ml", "change", "opacity"):
                html.Th(head)
        with html.Tr(v_for="s in structures", key=("s.id",)):
            with html.Td():
                html.Input(
                    type="checkbox", checked=("s.visible",), change=(session.toggle, "[s.id]"), aria_label=("s.name",)
                )
            with html.Td(), html.Label():
                html.Input(
                    type="radio",
                    name="active",
                    checked=("s.id === active",),
                    change="active = s.id",
                    title="Correct this",
                )
                html.Span(classes="swatch", style=("{background: s.color}",))
                html.Span("{{ s.name }}")
            html.Td("{{ s.ml.toFixed(1) }}", classes="figure")
            html.Td("{{ s.ml === s.loaded_ml ? '' : (s.ml - s.loaded_ml).toFixed(1) }}", classes="figure")
            with html.Td():
                html.Input(
                    type="range",
                    min=0,
                    max=1,
                    step=0.05,
                    value=("s.opacity",),
                    change=(session.set_opacity, "[s.id, $event.target.value]"),
                )


def _lesions(session: ReviewSession) -> None:
    html.H2("Lesions", v_if=("lesions.length",))
    with html.Table(v_if=("lesions.length",), id="lesions"), html.Tr(v_for="l in lesions", key=("l.name",)):
        with html.Td():
            v.VBtn("{{ l.name }}", size="x-small", variant="text", click=(session.go_to, "[l.ras]"))
        html.Td("{{ l.ml }} ml", classes="figure")
        html.Td("{{ l.mm }} mm", classes="figure")
