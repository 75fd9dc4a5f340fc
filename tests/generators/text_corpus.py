"""The sentences that the small vocabularies are trained on and the test strings are made of. All of it was written for
this repository; nothing is taken from a data set."""
import random

COLOURS = "red orange yellow green blue purple pink brown black white grey golden silver turquoise".split()
THINGS = ("star circle square triangle heart cross ring moon cup bottle chair bench dog cat horse sheep cow bird bear zebra "
          "giraffe elephant backpack umbrella handbag tie suitcase frisbee kite skateboard surfboard bowl banana apple "
          "sandwich carrot pizza donut cake couch bed table laptop mouse keyboard phone oven toaster sink refrigerator book "
          "clock vase scissors toothbrush train truck boat bicycle motorcycle aeroplane castle lighthouse river mountain").split()
PLACES = ("above", "below", "left of", "right of", "behind", "in front of", "next to", "inside", "far away from")
STYLES = ("a photo of", "a painting of", "an oil painting of", "a pencil sketch of", "a woodcut of", "a close-up of",
          "a blurry picture of", "a detailed 3d rendering of", "a child's drawing of", "an etching of")
NUMBERS = "one two three four five six seven eight nine ten".split()

SENTENCES = """
The attention of the model rests on a token that says nothing.
We don't know why it's there; they're all looking at the same key.
She'd rather paint the sea than talk about the weather.
I'm sure you've seen the harbour at dawn, when the fishing boats come in.
He'll draw three small houses, each with a different roof.
A quiet street in the rain, reflections of neon signs on wet asphalt, night, 35mm film.
Portrait of an old sailor with a white beard, studio lighting, shallow depth of field.
Concept art of a floating city, volumetric clouds, intricate details, trending colours.
An isometric diagram of a kitchen with 2 windows, 14 tiles and 1 open door.
Steps 28, guidance 4.5, seed 1234567890, size 1024x768, shift 3.0.
The quick measurement was repeated, and the result was the same to the last bit.
When the sink is removed, the image moves; when a random key is removed, it hardly does.
Minimalist poster of a mountain at sunset, flat colours, bold shapes, no text.
A robot reading a newspaper on a park bench; autumn leaves; warm light.
Macro photograph of a dewdrop on a spider's web.
The cat's whiskers, the dog's ears and the horse's mane were painted last.
Two astronauts playing chess on the moon while the earth rises behind them.
What happens if nothing is added and nothing taken away?
An empty room. A single chair. A window that looks out on the sea.
Blueprints of an impossible machine (with annotations in the margin).
This sentence is here because tokenizers like long words: internationalisation, counterrevolutionary, electroencephalograph.
Ein grüner Stern über einem blauen Kreis, daneben ein weißes Häuschen.
Die Größe des Bildes ist größer als die Straße breit ist; das weiß jeder.
Un château près de la rivière, peint à l'huile, avec des nuages légers.
L'été dernier, nous avons mangé des crêpes où l'eau était très bleue.
El niño pequeño dibujó una casa con jardín y un árbol de manzanas.
A menina não viu o coração vermelho ao pé da estação.
Красная звезда над синим кругом, рядом белый дом и зелёное дерево.
Маленький мальчик рисует море, корабль и жёлтое солнце.
Ένα κόκκινο αστέρι πάνω από έναν μπλε κύκλο, δίπλα στη θάλασσα.
Ο ήλιος έδυε πίσω από τους λόφους.
一颗红色的星星在蓝色的圆圈上方。
夜晚的街道,雨中的霓虹灯。
青い円の上に赤い星があります。
しずかな海と小さな船、カメラで撮った写真。
파란 원 위에 빨간 별이 있습니다.
نجمة حمراء فوق دائرة زرقاء بجانب البحر.
כוכב אדום מעל עיגול כחול.
नीले वृत्त के ऊपर एक लाल तारा है।
ดาวสีแดงอยู่เหนือวงกลมสีน้ำเงิน
Ngôi sao đỏ ở phía trên vòng tròn xanh.
Czerwona gwiazda nad niebieskim kołem, obok żółta łódź.
Kırmızı yıldız mavi dairenin üstünde; İstanbul'da ılık bir gün.
""".strip().split("\n")


def prompt(rng):
    """One made-up prompt."""
    kind = rng.randrange(7)
    thing, other = rng.sample(THINGS, 2)
    colour, second = rng.sample(COLOURS, 2)
    style = rng.choice(STYLES)
    if kind == 0:
        return f"{style} a {colour} {thing}"
    if kind == 1:
        return f"{style} a {thing} {rng.choice(PLACES)} a {other}"
    if kind == 2:
        return f"{style} {rng.choice(NUMBERS)} {thing}s"
    if kind == 3:
        return f"{style} a {colour} {thing} and a {second} {other}"
    if kind == 4:
        return f"the {thing} is {rng.choice(PLACES)} the {colour} {other}, {rng.choice(NUMBERS)} of them"
    if kind == 5:
        return rng.choice(SENTENCES)
    return f"{rng.choice(SENTENCES)} {style.capitalize()} a {thing}; {rng.randrange(1000)} {other}s."


def corpus(n=4000, seed=1):
    """SENTENCES, then n prompts."""
    rng = random.Random(seed)
    return SENTENCES * 20 + [prompt(rng) for _ in range(n)]
